/* fence.c - what namespaces do not hold back.  A seccomp filter: socket families
 * that know no network namespace (vsock), io_uring, which could open sockets past
 * this filter, and the kernel's keyrings.  And the modes of device files. */

#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "job/supervise/supervise.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ELSE_SKIP(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define SAME_SKIP(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, n, 0)
#define ANSWER(eno) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (eno))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(nr) ELSE_SKIP(nr, 1), ANSWER(ENOSYS)

/* Needs no privilege: the filter is for this process and what it execs, which
 * can gain none.  Where the kernel has no seccomp the job runs without it. */
void sv_fence(void) {
#ifdef NATIVE
  struct sock_filter filter[] = {
    LOAD(arch), SAME_SKIP(NATIVE, 1), ANSWER(ENOSYS),
    LOAD(nr),
#ifdef __x86_64__
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1), ANSWER(ENOSYS),   /* the x32 calls */
#endif
    REFUSE(SYS_io_uring_setup), REFUSE(SYS_add_key), REFUSE(SYS_request_key), REFUSE(SYS_keyctl),
    ELSE_SKIP(SYS_socket, 5),
    LOAD(args[0]),
    SAME_SKIP(AF_UNIX, 3), SAME_SKIP(AF_INET, 2), SAME_SKIP(AF_INET6, 1),
    ELSE_SKIP(AF_NETLINK, 1),
    ALLOW,
    ANSWER(EAFNOSUPPORT)
  };
  struct sock_fprog prog = {sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog);
#endif
}

static void make_read_only(const char *name) {
  const unsigned long how = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID;
  struct statvfs v;
  char path[300];
  snprintf(path, sizeof path, "/dev%s%s", *name ? "/" : "", name);
  if (statvfs(path, &v) < 0 || (v.f_flag & ST_RDONLY) != 0) return;
  if (mount(NULL, path, NULL, how, NULL) == 0 || errno != EINVAL) return;
  if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) == 0) mount(NULL, path, NULL, how, NULL);   /* was no mount */
}

/* bwrap shows a job the machine's own device files, and those of root a job of
 * root may chmod, whatever it is called inside.  In a mount namespace of its own
 * the supervisor makes them read-only, which the sandbox inherits: devices can be
 * read and written as ever, their modes and times cannot be changed.  Mostly that
 * is one call for /dev; in containers some nodes are mounts by themselves. */
void sv_fence_devices(void) {
  static const char *const nodes[] = {"", "null", "zero", "full", "random", "urandom", "tty"};
  struct dirent *e;
  size_t i;
  DIR *d;
  if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) return;
  for (i = 0; i < sizeof nodes / sizeof *nodes; i++) make_read_only(nodes[i]);
  if (access("/dev/nvidiactl", F_OK) < 0 || (d = opendir("/dev")) == NULL) return;
  while ((e = readdir(d)) != NULL)
    if (strncmp(e->d_name, "nvidia", 6) == 0 && e->d_type == DT_CHR) make_read_only(e->d_name);
  closedir(d);
}
