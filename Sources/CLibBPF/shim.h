#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the C library has no function for, or hides without _GNU_SOURCE; Swift cannot call syscall() itself. */
static inline int cbpf_perf_event_open(struct perf_event_attr *attributes, int group)
{
	return (int)syscall(SYS_perf_event_open, attributes, 0, -1, group, PERF_FLAG_FD_CLOEXEC);
}

static inline int cbpf_current_processor(void)
{
	unsigned processor;

	return syscall(SYS_getcpu, &processor, (void *)0, (void *)0) ? -1 : (int)processor;
}

/* Of the calling thread; both return a negative number where they fail. */
static inline int cbpf_get_affinity(unsigned long *mask, unsigned long bytes)
{
	return (int)syscall(SYS_sched_getaffinity, 0, bytes, mask);
}

static inline int cbpf_set_affinity(const unsigned long *mask, unsigned long bytes)
{
	return (int)syscall(SYS_sched_setaffinity, 0, bytes, mask);
}

/* On all processors; a negative number where it fails. */
static inline int cbpf_membarrier_global(void)
{
	return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}
