/* A probe with a semaphore: nothing is computed for it unless somebody looks. */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#define KEEP __attribute__((noinline, used, visibility("default")))

__extension__ unsigned short usdt_guarded_semaphore __attribute__((section(".probes")));

KEEP int semaphore(void)
{
	return *(volatile unsigned short *)&usdt_guarded_semaphore;
}

KEEP int guarded(int number)
{
	if (!semaphore())
		return 0;
	STAP_PROBE1(usdt, guarded, number);
	return 1;
}
