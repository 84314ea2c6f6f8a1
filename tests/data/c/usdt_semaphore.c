/* A probe with a semaphore: nothing is computed for it unless somebody looks. */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#define KEEP __attribute__((noinline, used, visibility("default")))

/* Where the headers that `dtrace -h` makes put it; without that it is in .bss. */
#ifndef PLACE
#define PLACE __attribute__((section(".probes")))
#endif

unsigned short usdt_guarded_semaphore PLACE;

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

/* Another place with the same semaphore. */
KEEP int guarded_too(int number)
{
	if (semaphore())
		STAP_PROBE1(usdt, guarded, number + 1);
	return semaphore();
}
