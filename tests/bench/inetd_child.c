/*
 * inetd_child - the program behind inetd: answers the connection on descriptors 0 and 1, and ends.
 */
#include "answer.h"

int main(void)
{
	struct answer answer;

	answer_init(&answer);
	answer_connection(&answer, STDIN_FILENO);
	return 0;
}
