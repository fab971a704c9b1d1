/*
 * completion_text - the completion of brokerctl for a shell, out of the table of commands. Pure.
 *
 * Names of services and workers are asked of the broker when they are wanted, with the options
 * that stand in the line that is being completed.
 */
#ifndef BROKER_CTL_COMPLETION_TEXT_H
#define BROKER_CTL_COMPLETION_TEXT_H

#include "base/buf.h"

/* @shell is bash, zsh or fish. */
void completion_text(const char *shell, struct buf *out);

#endif
