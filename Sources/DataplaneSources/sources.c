#include "DataplaneSources.h"

/*
 * bpf/ and the system headers that it includes, put into the binary, so that only a clang is
 * needed where it runs.
 */
static const unsigned char bpf_abi_h[] = {
#embed "../../bpf/abi.h"
};
static const unsigned char bpf_platform_h[] = {
#embed "../../bpf/platform.h"
};
static const unsigned char bpf_maps_h[] = {
#embed "../../bpf/maps.h"
};
static const unsigned char bpf_packet_h[] = {
#embed "../../bpf/packet.h"
};
static const unsigned char bpf_address_h[] = {
#embed "../../bpf/address.h"
};
static const unsigned char bpf_counters_h[] = {
#embed "../../bpf/counters.h"
};
static const unsigned char bpf_checksum_h[] = {
#embed "../../bpf/checksum.h"
};
static const unsigned char bpf_parse_h[] = {
#embed "../../bpf/parse.h"
};
static const unsigned char bpf_fragment_h[] = {
#embed "../../bpf/fragment.h"
};
static const unsigned char bpf_table_h[] = {
#embed "../../bpf/table.h"
};
static const unsigned char bpf_record_h[] = {
#embed "../../bpf/record.h"
};
static const unsigned char bpf_index_h[] = {
#embed "../../bpf/index.h"
};
static const unsigned char bpf_room_h[] = {
#embed "../../bpf/room.h"
};
static const unsigned char bpf_flow_h[] = {
#embed "../../bpf/flow.h"
};
static const unsigned char bpf_service_h[] = {
#embed "../../bpf/service.h"
};
static const unsigned char bpf_snat_h[] = {
#embed "../../bpf/snat.h"
};
static const unsigned char bpf_snat_port_h[] = {
#embed "../../bpf/snat_port.h"
};
static const unsigned char bpf_dsr_h[] = {
#embed "../../bpf/dsr.h"
};
static const unsigned char bpf_icmp_h[] = {
#embed "../../bpf/icmp.h"
};
static const unsigned char bpf_quote_h[] = {
#embed "../../bpf/quote.h"
};
static const unsigned char bpf_icmp_error_h[] = {
#embed "../../bpf/icmp_error.h"
};
static const unsigned char bpf_begin_h[] = {
#embed "../../bpf/begin.h"
};
static const unsigned char bpf_forward_h[] = {
#embed "../../bpf/forward.h"
};
static const unsigned char bpf_odd_h[] = {
#embed "../../bpf/odd.h"
};
static const unsigned char bpf_refuse_h[] = {
#embed "../../bpf/refuse.h"
};
static const unsigned char bpf_l4lb_bpf_c[] = {
#embed "../../bpf/l4lb.bpf.c"
};
static const unsigned char bpf_clock_bpf_c[] = {
#embed "../../bpf/clock.bpf.c"
};
static const unsigned char bpf_bench_h[] = {
#embed "../../bpf/bench.h"
};
static const unsigned char bpf_bench_bpf_c[] = {
#embed "../../bpf/bench.bpf.c"
};
static const unsigned char bpf_probe_bpf_c[] = {
#embed "../../bpf/probe.bpf.c"
};
static const unsigned char linux_types_h[] = {
#embed "/usr/include/linux/types.h"
};
static const unsigned char linux_posix_types_h[] = {
#embed "/usr/include/linux/posix_types.h"
};
static const unsigned char linux_stddef_h[] = {
#embed "/usr/include/linux/stddef.h"
};
static const unsigned char linux_bpf_h[] = {
#embed "/usr/include/linux/bpf.h"
};
static const unsigned char linux_bpf_common_h[] = {
#embed "/usr/include/linux/bpf_common.h"
};
static const unsigned char asm_generic_types_h[] = {
#embed "/usr/include/asm-generic/types.h"
};
static const unsigned char asm_generic_int_ll64_h[] = {
#embed "/usr/include/asm-generic/int-ll64.h"
};
static const unsigned char asm_generic_bitsperlong_h[] = {
#embed "/usr/include/asm-generic/bitsperlong.h"
};
static const unsigned char asm_generic_posix_types_h[] = {
#embed "/usr/include/asm-generic/posix_types.h"
};
static const unsigned char bpf_bpf_helpers_h[] = {
#embed "/usr/include/bpf/bpf_helpers.h"
};
static const unsigned char bpf_bpf_helper_defs_h[] = {
#embed "/usr/include/bpf/bpf_helper_defs.h"
};
static const unsigned char bpf_bpf_endian_h[] = {
#embed "/usr/include/bpf/bpf_endian.h"
};

/* The headers in asm/ differ by machine, and for the BPF target they say no more than this. */
static const unsigned char asm_types_h[] = "#include <asm-generic/types.h>\n";
static const unsigned char asm_posix_types_h[] = "#include <asm-generic/posix_types.h>\n";
static const unsigned char asm_bitsperlong_h[] =
    "#define __BITS_PER_LONG 64\n#include <asm-generic/bitsperlong.h>\n";

#define EMBEDDED(path, name)                                                                       \
	{                                                                                          \
		path, name, sizeof(name)                                                           \
	}
#define TEXT(path, name)                                                                           \
	{                                                                                          \
		path, name, sizeof(name) - 1                                                       \
	}

static const struct l4lb_source_file files[] = {
    EMBEDDED("bpf/abi.h", bpf_abi_h),
    EMBEDDED("bpf/platform.h", bpf_platform_h),
    EMBEDDED("bpf/maps.h", bpf_maps_h),
    EMBEDDED("bpf/packet.h", bpf_packet_h),
    EMBEDDED("bpf/address.h", bpf_address_h),
    EMBEDDED("bpf/counters.h", bpf_counters_h),
    EMBEDDED("bpf/checksum.h", bpf_checksum_h),
    EMBEDDED("bpf/parse.h", bpf_parse_h),
    EMBEDDED("bpf/fragment.h", bpf_fragment_h),
    EMBEDDED("bpf/table.h", bpf_table_h),
    EMBEDDED("bpf/record.h", bpf_record_h),
    EMBEDDED("bpf/index.h", bpf_index_h),
    EMBEDDED("bpf/room.h", bpf_room_h),
    EMBEDDED("bpf/flow.h", bpf_flow_h),
    EMBEDDED("bpf/service.h", bpf_service_h),
    EMBEDDED("bpf/snat.h", bpf_snat_h),
    EMBEDDED("bpf/snat_port.h", bpf_snat_port_h),
    EMBEDDED("bpf/dsr.h", bpf_dsr_h),
    EMBEDDED("bpf/icmp.h", bpf_icmp_h),
    EMBEDDED("bpf/quote.h", bpf_quote_h),
    EMBEDDED("bpf/icmp_error.h", bpf_icmp_error_h),
    EMBEDDED("bpf/begin.h", bpf_begin_h),
    EMBEDDED("bpf/forward.h", bpf_forward_h),
    EMBEDDED("bpf/odd.h", bpf_odd_h),
    EMBEDDED("bpf/refuse.h", bpf_refuse_h),
    EMBEDDED("bpf/l4lb.bpf.c", bpf_l4lb_bpf_c),
    EMBEDDED("bpf/clock.bpf.c", bpf_clock_bpf_c),
    EMBEDDED("bpf/bench.h", bpf_bench_h),
    EMBEDDED("bpf/bench.bpf.c", bpf_bench_bpf_c),
    EMBEDDED("bpf/probe.bpf.c", bpf_probe_bpf_c),
    EMBEDDED("include/linux/types.h", linux_types_h),
    EMBEDDED("include/linux/posix_types.h", linux_posix_types_h),
    EMBEDDED("include/linux/stddef.h", linux_stddef_h),
    EMBEDDED("include/linux/bpf.h", linux_bpf_h),
    EMBEDDED("include/linux/bpf_common.h", linux_bpf_common_h),
    EMBEDDED("include/asm-generic/types.h", asm_generic_types_h),
    EMBEDDED("include/asm-generic/int-ll64.h", asm_generic_int_ll64_h),
    EMBEDDED("include/asm-generic/bitsperlong.h", asm_generic_bitsperlong_h),
    EMBEDDED("include/asm-generic/posix_types.h", asm_generic_posix_types_h),
    EMBEDDED("include/bpf/bpf_helpers.h", bpf_bpf_helpers_h),
    EMBEDDED("include/bpf/bpf_helper_defs.h", bpf_bpf_helper_defs_h),
    EMBEDDED("include/bpf/bpf_endian.h", bpf_bpf_endian_h),
    TEXT("include/asm/types.h", asm_types_h),
    TEXT("include/asm/posix_types.h", asm_posix_types_h),
    TEXT("include/asm/bitsperlong.h", asm_bitsperlong_h),
};

struct l4lb_source_file l4lb_source_file(size_t place)
{
	if (place >= sizeof(files) / sizeof(files[0]))
		return (struct l4lb_source_file){0};
	return files[place];
}
