/* The few words of BPF C that the test objects need: written for them, no header of another project. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define NOINLINE __attribute__((noinline))
#define KERNEL __attribute__((preserve_access_index))
#define UINT(name, number) int (*name)[number]
#define TYPE(name, type) typeof(type) *name
#define VALUES(name, type) typeof(type) *name[]

enum { HASH = 1, ARRAY = 2, PROG_ARRAY = 3, PERCPU_ARRAY = 6, ARRAY_OF_MAPS = 12, RINGBUF = 27 };
enum { BYTE_OFFSET, BYTE_SIZE, EXISTS, SIGNED_, LSHIFT, RSHIFT };

static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*ktime_get_ns)(void) = (void *)5;
static u64 (*get_current_pid_tgid)(void) = (void *)14;
static long (*tail_call)(void *ctx, void *map, u32 index) = (void *)12;
static void *(*get_current_task)(void) = (void *)35;
static long (*probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*ringbuf_output)(void *map, void *data, u64 size, u64 flags) = (void *)130;
static void *(*ringbuf_reserve)(void *map, u64 size, u64 flags) = (void *)131;
static void (*ringbuf_submit)(void *data, u64 flags) = (void *)132;
static void *(*get_current_task_btf)(void) = (void *)158;
static long (*for_each_map_elem)(void *map, void *callback, void *ctx, u64 flags) = (void *)164;
static long (*loop)(u32 count, void *callback, void *ctx, u64 flags) = (void *)181;

#define READ(field) ({ typeof(field) value_ = 0; probe_read_kernel(&value_, sizeof(value_), &(field)); value_; })

char license_text[] SEC("license") = "GPL";
