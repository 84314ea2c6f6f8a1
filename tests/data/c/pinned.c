/* A map that all who load this share: libbpf pins it by its name. */
#include "bpf.h"

struct seen {
	u32 calls;
	u32 spare;
};

struct {
	UINT(type, ARRAY);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct seen);
	UINT(pinning, 1);
} shared SEC(".maps");

SEC("raw_tp") int work(void *ctx)
{
	u32 key = 0;
	struct seen *entry = lookup(&shared, &key);

	if (!entry)
		return 1;
	entry->calls += 1;
	return 0;
}
