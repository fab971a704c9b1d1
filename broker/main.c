#include <stdio.h>

int main(void)
{
	fprintf(stderr, "broker: not built yet\n");
	return 2;
}
