/*
 * commands - the table of everything that the broker can be asked.
 */
#pragma once

struct client;

/*
 * Reads the request that is @line and answers it, if @c has the right to make it. Every request
 * that changes something is logged with its sender.
 */
void commands_answer(struct client *c, const char *line);
