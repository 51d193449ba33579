#!/usr/bin/env python3
"""terminal.py - talks to a program on a terminal of its own.

usage: terminal.py COLUMNS STEP... -- PROGRAM ARGS...
A step is send:TEXT, expect:REGEX (in what came since the last expect), signal:NAME,
cooked: (fails unless the terminal is in its ordinary mode), make:FILE or end: (the program ends).
Escapes such as \\r, \\t and \\x03 are understood.  Prints all that the program wrote;
the exit code is the program's, or 125 with a message when a step fails.
"""
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

PATIENCE = 200


def fail(message, seen):
    sys.stdout.buffer.write(seen)
    sys.stdout.flush()
    sys.stderr.write(message + "\n")
    sys.exit(125)


def main():
    cut = sys.argv.index("--")
    columns, steps, command = int(sys.argv[1]), sys.argv[2:cut], sys.argv[cut + 1:]
    fd, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    before = termios.tcgetattr(inner)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
        for n in range(3):
            os.dup2(inner, n)
        os.closerange(3, 64)
        os.environ["TERM"] = os.environ.get("PTY_TERM", "xterm")
        os.execvp(command[0], command)
    os.close(inner)
    seen, mark, ended = b"", 0, False

    def read(seconds):
        nonlocal seen, ended
        if ended or not select.select([fd], [], [], seconds)[0]:
            return
        try:
            got = os.read(fd, 65536)
        except OSError:
            got = b""
        ended = got == b""
        seen += got

    for step in steps:
        verb, _, text = step.partition(":")
        raw = text.encode().decode("unicode_escape").encode("latin-1") if verb == "send" else text
        limit = time.monotonic() + PATIENCE
        if verb == "send":
            os.write(fd, raw)
        elif verb == "signal":
            os.kill(pid, getattr(signal, raw))
        elif verb == "cooked":
            if termios.tcgetattr(fd)[3] != before[3]:
                fail("the terminal is not in its ordinary mode", seen)
        elif verb == "make":
            open(text, "w").close()
        elif verb == "expect":
            while True:
                found = re.search(raw.encode(), seen[mark:])
                if found:
                    mark += found.end()
                    break
                if ended or time.monotonic() > limit:
                    fail("expected %r after %r" % (raw, seen[mark:]), seen)
                read(0.1)
        elif verb == "end":
            while not ended and time.monotonic() < limit:
                read(0.1)
            if not ended:
                os.kill(pid, signal.SIGKILL)
                fail("the program did not end", seen)
        else:
            fail("unknown step " + step, seen)
    if not ended:
        os.close(fd)
    sys.stdout.buffer.write(seen)
    sys.stdout.flush()
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


main()
