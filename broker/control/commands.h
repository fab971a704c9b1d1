/*
 * commands - the table of everything that the broker can be asked.
 */
#pragma once

struct client;

/*
 * Answers the request of @c, if the client has the right to make it. Every request that changes
 * something is logged with its sender; @line is its text.
 */
void commands_answer(struct client *c, const char *line);
