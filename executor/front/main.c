/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>

#include "confine/program.h"
#include "front/front.h"

/* Descriptors 0 to 4: the standard ones, monitor, link. */
#define DESCRIPTOR_COUNT 5

static cella_status confine(int argc, char **argv)
{
    struct cella_confine_program program = cella_confine_front;
    program.descriptors = DESCRIPTOR_COUNT;
    return cella_confine_main(&program, argc, argv);
}

static cella_status set_up(struct cella_front *front, int argc, char **argv)
{
    CELLA_TRY(cella_front_init(front));
    if (fcntl(CELLA_FRONT_MONITOR_FD, F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(CELLA_FRONT_LINK_FD, F_SETFL, O_NONBLOCK) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return confine(argc, argv);
}

int main(int argc, char **argv)
{
    struct cella_front front;
    signal(SIGPIPE, SIG_IGN);
    cella_status status = set_up(&front, argc, argv);
    if (status == CELLA_OK) {
        status = cella_front_run(&front, CELLA_FRONT_MONITOR_FD, CELLA_FRONT_LINK_FD);
    }
    if (status != CELLA_CLOSED) {
        fprintf(stderr, "cella-front: ended: %s\n", cella_status_name(status));
    }
    cella_front_clear(&front);
    return status == CELLA_CLOSED ? 0 : 1;
}
