#ifndef L4LB_DATAPLANE_SOURCES_H
#define L4LB_DATAPLANE_SOURCES_H

#include <stddef.h>

/* A file of bpf/, or a system header that one includes. */
struct l4lb_source_file {
	/* Below the folder that clang is run in: bpf/abi.h, include/linux/bpf.h. */
	const char *path;
	const unsigned char *bytes;
	size_t size;
};

/* The file at a place, or one without a path behind the last. */
struct l4lb_source_file l4lb_source_file(size_t place);

#endif
