/*
 * doctor - can the broker serve this program, and how? `brokerctl doctor`.
 *
 * Local: it asks the launcher (worker-shim --check --report), /proc and sock_diag(7). It sends
 * nothing to anybody and changes nothing.
 */
#pragma once

#include "ctl/ask.h"

/* CTL_FAILED: it cannot be served, or the question could not be answered; both are explained. */
enum ctl_exit ctl_doctor(struct ctl *ctl);
