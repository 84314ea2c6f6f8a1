/* Every form of an argument of a USDT probe, as a compiler prints it and as written by hand.
 * A shared library; with -DPROGRAM a program that runs each probe once for each line it reads.
 */
#include <stdio.h>
#include <sys/sdt.h>

#define KEEP __attribute__((noinline, used, visibility("default")))

struct pair {
	int first;
	long second;
};

KEEP void widths(signed char a, unsigned char b, short c, unsigned short d, int e, unsigned f,
		 long g, unsigned long h, const char *text)
{
	STAP_PROBE9(usdt, widths, a, b, c, d, e, f, g, h, text);
}

KEEP void constants(void)
{
	STAP_PROBE4(usdt, constants, 7, -9, 0x1234567890L, (signed char)-1);
}

KEEP void in_memory(struct pair *pairs, long number)
{
	STAP_PROBE3(usdt, in_memory, pairs[number].first, pairs[number].second, pairs);
}

/* Three places, each with its own operand. */
static inline __attribute__((always_inline)) void inlined(long number)
{
	STAP_PROBE1(usdt, several, number);
}

KEEP void several(int small, long large)
{
	STAP_PROBE1(usdt, several, small);
	inlined(large);
	inlined(1000);
}

/* What glibc's setjmp has: not every glibc is built with probes. */
KEEP void setjmp_like(void *env, int saves, void *address)
{
	STAP_PROBE3(libc, setjmp, env, saves, address);
}

KEEP void twice(void)
{
	STAP_PROBE(first, twice);
	STAP_PROBE(second, twice);
}

/* A probe whose note is written by hand: compilers print some of these forms rarely. */
#define SITE(name, arguments)                                                                     \
	"990: nop\n"                                                                              \
	".pushsection .note.stapsdt,\"\",\"note\"\n"                                              \
	".balign 4\n"                                                                             \
	".4byte 992f-991f, 994f-993f, 3\n"                                                        \
	"991: .asciz \"stapsdt\"\n"                                                               \
	"992: .balign 4\n"                                                                        \
	"993: .8byte 990b, _.stapsdt.base, 0\n"                                                   \
	".asciz \"usdt\"\n"                                                                       \
	".asciz \"" name "\"\n"                                                                   \
	".asciz \"" arguments "\"\n"                                                              \
	"994: .balign 4\n"                                                                        \
	".popsection\n"

static __attribute__((used)) unsigned long usdt_words[8] = {
	0x8182838485868788, 0xf1f2f3f4f5f6f7f8, 2, 3, 4, 5, 6, 7,
};

#ifdef __x86_64__
KEEP void by_hand(void)
{
	__asm__ volatile(
		"movabsq $0x91a2b3c4d5e6f708, %%rax\n"
		"movq $2, %%rcx\n"
		"leaq usdt_words(%%rip), %%rdx\n"
		"movq $1, %%rsi\n"
		"movq $-7, %%rdi\n"
		"movabsq $0xa1b2c3d4e5f6a7b8, %%r8\n"
		"movq $-2, %%r9\n"
		"movq %%rdx, %%r10\n"
		"shrq $3, %%r10\n"
		SITE("registers", "8@%%rax 4@%%eax -4@%%eax 2@%%ax 1@%%al 1@%%ah -2@%%ax 8@%%r8 4@%%r8d "
				  "2@%%r8w 1@%%r8b -4@%%r9d")
		SITE("more_registers", "-1@%%dil -2@%%r9w -8@%%rdi %%eax 2@%%cx -1@%%r8b")
		SITE("memory", "8@(%%rdx) -4@8(%%rdx) 2@6(%%rdx) 1@(%%rdx,%%rsi) -1@(%%rdx,%%rsi,2) "
			       "8@16(%%rdx,%%rcx,8) 8@(,%%r10,8) -8@-8(%%rdx,%%rcx,8) 4@0x4(%%rdx)")
		SITE("symbols", "8@usdt_words(%%rip) 4@usdt_words+4(%%rip) -2@8+usdt_words(%%rip) "
				"8@$usdt_words 8@$usdt_words+16 8@%%rdx")
		SITE("written", "-4@$-9 8@$0x10 4@$5 -1@$255 8@$-1")
		SITE("unreadable", "8f@%%xmm0 8@%%rax 4@%%fs:16 16@(%%rdx) 8f@(%%rdx) 8@nowhere(%%rip)")
		SITE("nothing_there", "8@1(%%rcx) 4@(%%rsi)")
		:
		:
		: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10");
}
#elif defined(__aarch64__)
KEEP void by_hand(void)
{
	__asm__ volatile(
		"movz x0, #0xf708\n"
		"movk x0, #0xd5e6, lsl #16\n"
		"movk x0, #0xb3c4, lsl #32\n"
		"movk x0, #0x91a2, lsl #48\n"
		"mov x1, #2\n"
		"adrp x2, usdt_words\n"
		"add x2, x2, :lo12:usdt_words\n"
		"mov x3, #1\n"
		"mov x4, #-7\n"
		"mov w5, #-2\n"
		"add x6, x2, #32\n"
		"mov x7, #77\n"
		"str x7, [sp, #-16]!\n"
		SITE("registers", "8@x0 4@w0 -4@w0 2@w0 -2@w0 1@w0 -1@w4 8@x4 -4@w5 8@x5 4@wzr 8@xzr")
		SITE("memory", "8@[x2] -4@[x2, 8] 2@[x2, #6] 1@[x2, x3] 8@[x2, x1, lsl 3] "
			       "4@[x2, w1, uxtw 2] -4@[x6, w5, sxtw 2] 8@[x6, x4] -8@[x6, -24] 8@[sp]")
		SITE("written", "-4@-9 8@0x10 4@#5 -1@255 8@-1")
		SITE("nothing_there", "8@[x1] 4@[x3, 8]")
		"add sp, sp, #16\n"
		:
		:
		: "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7");
}
#else
KEEP void by_hand(void)
{
}
#endif

#ifdef PROGRAM
int main(void)
{
	static struct pair pairs[] = { { 1, 2 }, { -3, -4 }, { 5, 6 } };

	for (int number = 1; getchar() != EOF; number++) {
		widths(-1, 255, -2, 65535, -number, 4000000000u, -4, -5ul, "hello");
		constants();
		in_memory(pairs, 1);
		several(-number, 1l << 40);
		by_hand();
		printf("%d\n", number);
		fflush(stdout);
	}
	return 0;
}
#endif
