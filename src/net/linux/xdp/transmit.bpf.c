/* Sends the frames of a ring that user space writes: run on live frames, each run turns one recycled frame into the ring's next and
 * redirects it to the device. Decisions and bytes are all user space's. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SLOTS 8192
#define FRAME 128
#define ETHERNET 14
/* Of the frame that a run is given: that of a SYN, so that nearly none has to be resized. */
#define USUAL 66

struct slot {
	__u64 length;
	__u8 frame[FRAME];
	__u8 unused[56];
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct control {
	/* Written by user space. */
	__u64 produced __attribute__((aligned(64)));
	/* Written here. */
	__u64 consumed __attribute__((aligned(64)));
	__u64 known;
	__u64 looks;
	__u64 cpu;
	__u64 dropped __attribute__((aligned(64)));
	__u64 failed;
	__u64 error;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct control);
} control SEC(".maps");

/* The device's number. */
volatile const __u32 target;

static __always_inline struct control *state(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&control, &zero);
}

/* A frame that is no SYN: it is resized, then copied by bytes. */
static __noinline int copy_unusual(struct xdp_md *ctx, struct slot *slot)
{
	if (!slot)
		return -1;
	__u64 length = slot->length;
	if (length < ETHERNET || length > FRAME)
		return -1;
	if (bpf_xdp_adjust_tail(ctx, (int)length - USUAL))
		return -1;
	__u8 *data = (__u8 *)(long)ctx->data;
	__u8 *end = (__u8 *)(long)ctx->data_end;
	for (__u32 i = 0; i < FRAME; i++) {
		if (i >= length)
			break;
		if (data + i + 1 > end)
			return -1;
		data[i] = slot->frame[i];
	}
	return 0;
}

SEC("xdp")
int transmit(struct xdp_md *ctx)
{
	struct control *control = state();
	if (!control)
		return XDP_DROP;
	__u64 next = control->consumed;
	if (next == control->known) {
		/* An atomic operation that returns a value is a full barrier: no byte of a slot is read before its number. */
		__u64 produced = __sync_fetch_and_add(&control->produced, 0);
		control->cpu = bpf_get_smp_processor_id();
		control->looks++;
		if (next == produced)
			return XDP_DROP;
		control->known = produced;
	}
	__u32 index = next & (SLOTS - 1);
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return XDP_DROP;
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	int bad = 0;
	if (slot->length == USUAL && data + USUAL <= end) {
		__u64 *to = data;
		__u64 *from = (__u64 *)slot->frame;
#pragma unroll
		for (int i = 0; i < USUAL / 8; i++)
			to[i] = from[i];
		*(__u16 *)(data + 64) = *(__u16 *)(slot->frame + 64);
	} else {
		bad = copy_unusual(ctx, slot);
	}
	*(volatile __u64 *)&control->consumed = next + 1;
	if (bad) {
		control->failed++;
		return XDP_DROP;
	}
	return bpf_redirect(target, 0);
}

/* Frames that the device did not take. A flush of redirected frames happens on the processor of the run, before anything else of the
 * network does. The arguments: from, to, sent, drops, error. */
SEC("raw_tp/xdp_devmap_xmit")
int not_taken(struct bpf_raw_tracepoint_args *ctx)
{
	int drops = (int)ctx->args[3];
	if (drops <= 0)
		return 0;
	struct control *control = state();
	if (control && control->cpu == bpf_get_smp_processor_id()) {
		__sync_fetch_and_add(&control->dropped, drops);
		control->error = -(int)ctx->args[4];
	}
	return 0;
}

/* Frames that did not even get to the device: it is down. The arguments: device, program, target, error, … */
SEC("raw_tp/xdp_redirect_err")
int not_redirected(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *control = state();
	if (control && control->cpu == bpf_get_smp_processor_id()) {
		__sync_fetch_and_add(&control->dropped, 1);
		control->error = -(int)ctx->args[3];
	}
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
