/* A consumer of a ring buffer as one writes it in C with libbpf: each record is copied to an array.
 *
 * The functions are declared here as libbpf 1 has them, so that its headers need not be there.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ring_buffer;
typedef int (*ring_buffer_sample_fn)(void *ctx, void *data, size_t size);
extern struct ring_buffer *ring_buffer__new(int fd, ring_buffer_sample_fn fn, void *ctx,
					    const void *opts);
extern int ring_buffer__consume(struct ring_buffer *rb);
extern int ring_buffer__poll(struct ring_buffer *rb, int timeout_ms);
extern void ring_buffer__free(struct ring_buffer *rb);

struct array {
	char *data;
	size_t size, used;
	uint64_t records;
};

static int take(void *ctx, void *data, size_t size)
{
	struct array *out = ctx;

	if (out->used + size > out->size)
		out->used = 0; /* begin anew: what is measured is the taking, not the memory */
	memcpy(out->data + out->used, data, size);
	out->used += size;
	out->records++;
	return 0;
}

/* Open a buffer whose records go to an array; NULL if it cannot be opened. */
struct ring_buffer *consumer_open(int fd, struct array *out)
{
	return ring_buffer__new(fd, take, out, NULL);
}

/* Take all records that there are; return how many, or what libbpf says. */
int consumer_take(struct ring_buffer *rb)
{
	return ring_buffer__consume(rb);
}

/* Take records until somebody sets `stop` and none are left. */
void consumer_run(struct ring_buffer *rb, volatile int *stop)
{
	int is_last;

	do {
		is_last = *stop;
		ring_buffer__poll(rb, 50);
		ring_buffer__consume(rb);
	} while (!is_last);
}

void consumer_close(struct ring_buffer *rb)
{
	ring_buffer__free(rb);
}
