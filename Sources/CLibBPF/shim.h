#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
