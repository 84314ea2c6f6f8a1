/* Stands in for servers whose probes (USDT) have to be built in by whoever compiles them: for each
 * line that it reads it does what MySQL does at a query, and what Node.js does at an HTTP request.
 */
#include <stdio.h>
#include <sys/sdt.h>

int main(void)
{
	char query[64], path[64];

	for (int turn = 0; getchar() != EOF; turn++) {
		snprintf(query, sizeof(query), "SELECT %d\tFROM dual", turn);
		snprintf(path, sizeof(path), "/number/%d", turn);
		STAP_PROBE5(mysql, query__start, query, 7UL, "shop", "me", "localhost");
		STAP_PROBE7(node, http__server__request, query, path, "192.0.2.1", 4711, "GET", path, 3);
		puts("");
		fflush(stdout);
	}
}
