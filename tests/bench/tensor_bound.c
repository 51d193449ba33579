/* tensor_bound.c - what oneDNN's own dnnl_matmul needs for the products with weights of one training step.
 * tensor_bound LAYERS WIDTH BATCH TOKENS f32|bf16: forward, dX and dW of every linear layer and of the head, on the
 * strides that a trainer has them on (bf16: dW in f32); attention is left out.  A round for each line on standard input;
 * the answer is its wall and CPU seconds.  OMP_NUM_THREADS sets the threads. */

#include <dnnl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { dnnl_primitive_t run; dnnl_memory_t a, b, c; int64_t times; } product;

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void must(dnnl_status_t s) {
  if (s == dnnl_success) return;
  fprintf(stderr, "oneDNN: status %d\n", (int)s);
  exit(1);
}

/* A matrix with memory of its own, set, so that its pages are there. */
static dnnl_memory_t matrix(int64_t rows, int64_t cols, bool turned, dnnl_data_type_t t, dnnl_memory_desc_t *md) {
  dnnl_dims_t dims = {rows, cols}, strides = {turned ? 1 : cols, turned ? rows : 1};
  dnnl_memory_t m;
  void *p;
  must(dnnl_memory_desc_init_by_strides(md, 2, dims, t, strides));
  must(dnnl_memory_create(&m, md, engine, DNNL_MEMORY_ALLOCATE));
  must(dnnl_memory_get_data_handle(m, &p));
  memset(p, 0, dnnl_memory_desc_get_size(md));
  return m;
}

/* c (m,n) = a (m,k) b (k,n) */
static product make(int64_t m, int64_t k, int64_t n, bool a_turned, bool b_turned, dnnl_data_type_t t,
                    dnnl_data_type_t ct, int64_t times) {
  dnnl_memory_desc_t a, b, c;
  dnnl_matmul_desc_t op;
  dnnl_primitive_desc_t pd;
  product p = {.times = times};
  p.a = matrix(m, k, a_turned, t, &a);
  p.b = matrix(k, n, b_turned, t, &b);
  p.c = matrix(m, n, false, ct, &c);
  must(dnnl_matmul_desc_init(&op, &a, &b, NULL, &c));
  must(dnnl_primitive_desc_create(&pd, &op, NULL, engine, NULL));
  must(dnnl_primitive_create(&p.run, pd));
  dnnl_primitive_desc_destroy(pd);
  return p;
}

static int layer(product *to, int64_t rows, int64_t in, int64_t out, dnnl_data_type_t t, int64_t times) {
  to[0] = make(rows, in, out, false, true, t, t, times);
  to[1] = make(rows, out, in, false, false, t, t, times);
  to[2] = make(out, rows, in, true, false, t, dnnl_f32, times);
  return 3;
}

static void run(const product *p) {
  dnnl_exec_arg_t args[3] = {{DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, p->b}, {DNNL_ARG_DST, p->c}};
  for (int64_t i = 0; i < p->times; i++) must(dnnl_primitive_execute(p->run, stream, 3, args));
  must(dnnl_stream_wait(stream));
}

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 6) return fprintf(stderr, "tensor_bound LAYERS WIDTH BATCH TOKENS f32|bf16\n"), 2;
  int64_t layers = atoi(argv[1]), width = atoi(argv[2]), rows = (int64_t)atoi(argv[3]) * atoi(argv[4]);
  dnnl_data_type_t t = strcmp(argv[5], "bf16") == 0 ? dnnl_bf16 : dnnl_f32;
  product list[15];
  int n = 0;
  char line[64];
  must(dnnl_engine_create(&engine, dnnl_cpu, 0));
  must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
  n += layer(list + n, rows, width, 3 * width, t, layers);
  n += layer(list + n, rows, width, width, t, layers);
  n += layer(list + n, rows, width, 4 * width, t, layers);
  n += layer(list + n, rows, 4 * width, width, t, layers);
  n += layer(list + n, rows, width, width >= 768 ? 50304 : 256, t, 1);
  for (int i = 0; i < n; i++) run(&list[i]);
  while (fgets(line, sizeof line, stdin) != NULL) {
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < n; i++) run(&list[i]);
    printf("%.6f %.6f 0\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    fflush(stdout);
  }
  return 0;
}
