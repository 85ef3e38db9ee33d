/* What the driver runs on an interface that is scanned from. Two programs in one, since the kernel starts a run on live frames in
 * microseconds for a program that some interface has attached, and in 25 milliseconds for any other.
 *
 * Received frames: each reply to a probe is proven by its acknowledgement number and a record of it handed to user space, and a proven
 * SYN-ACK becomes the reset that ends it. Whatever is not proven goes its usual way untouched.
 *
 * Live frames, which come from the loopback interface: each becomes the next of the frames that user space wrote, and is redirected to the
 * interface. Decisions and bytes are all user space's.
 *
 * What the interface then did not take is told by tracepoints, where three more programs look: frames, which user space sends again, and
 * resets, which it sends instead. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* In every network namespace. */
#define LOOPBACK 1

/* The interface. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} device SEC(".maps");

#define ENODEV 19

#define FRAME 128
/* Of the frame that a run is given: that of a SYN, so that nearly none has to be resized. */
#define USUAL 66

struct slot {
	__u64 length;
	__u8 frame[FRAME];
	__u8 unused[56];
} __attribute__((aligned(64)));

/* As many as the senders together want is said when it is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

/* One for each lane: calls of different lanes run side by side. */
#define LANES 2
struct control {
	/* The next slot to send. */
	__u64 next;
	/* The next that the device is offered, which is later: it gets them sixteen at a time. */
	__u64 offered;
	/* The first that found the device's queue full, from 1 on; 0: none did. Then no more are taken in this call. */
	__u64 full;
	/* Frames the device did not take. */
	__u64 dropped;
	/* Frames that could not be made. */
	__u64 malformed;
	/* Why the device last took none. */
	__u64 error;
	/* The processor of the run. One call of a lane runs at a time, and a batch of runs and what the device is offered of it are not interrupted
	 * by others: what is offered on this processor while frames are taken and not offered is this lane's. */
	__u64 processor;
	/* Records there was no room for: of the first lane. */
	__u64 lost __attribute__((aligned(64)));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LANES);
	__type(key, __u32);
	__type(value, struct control);
} control SEC(".maps");

/* The one element of a map. */
static __always_inline void *only(void *map)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(map, &zero);
}


struct record {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__be32 acknowledgement;
	__be16 window;
	__u8 flags;
	__u8 ttl;
	/* Of the monotonic clock, in units of 1,024 nanoseconds: it wraps after 73 minutes. */
	__u32 time;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} records SEC(".maps");

/* Of a reply whose reset the device did not take: told by its length from a record alone. */
struct unanswered {
	struct record record;
	__u8 source[ETH_ALEN];
	__u8 unused[2];
};

/* Resets this processor has made, the last of them, and how many the device was offered. It gets them sixteen at a time. */
#define AT_ONCE 16
#define LAST 32
struct resets {
	__u64 made;
	__u64 offered;
	struct unanswered last[LAST];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct resets);
} resets SEC(".maps");

static __always_inline struct resets *made_here(void)
{
	return only(&resets);
}

static __always_inline void count_lost(void)
{
	struct control *first = only(&control);
	if (first)
		__sync_fetch_and_add(&first->lost, 1);
}

/* What proves a reply: see `Proof` in net/link.rs. */
volatile const __u64 key0;
volatile const __u64 key1;
volatile const __u16 first_port;
volatile const __u16 last_port;
/* How many numbers the hash is tried with, from 1 on; 0: with zero alone. */
volatile const __u8 numbers;

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define FRAGMENT 0x3fff
#define MOST_NUMBERS 32
#define TTL 64

#define ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define ROUND()                                                     \
	do {                                                        \
		v0 += v1; v1 = ROTATE(v1, 13); v1 ^= v0; v0 = ROTATE(v0, 32); \
		v2 += v3; v3 = ROTATE(v3, 16); v3 ^= v2;                      \
		v0 += v3; v3 = ROTATE(v3, 21); v3 ^= v0;                      \
		v2 += v1; v1 = ROTATE(v1, 17); v1 ^= v2; v2 = ROTATE(v2, 32); \
	} while (0)

/* SipHash-1-3 of our address, our port, two bytes of zero, the other's address, its port, and a number: 15 bytes. */
static __always_inline __u32 proof(__be32 ours, __be32 theirs, __be16 our_port, __be16 their_port, __u8 number)
{
	__u64 first = (__u64)ours | (__u64)our_port << 32;
	__u64 last = (__u64)theirs | (__u64)their_port << 32 | (__u64)number << 48 | 15ULL << 56;
	__u64 v0 = key0 ^ 0x736f6d6570736575ULL, v1 = key1 ^ 0x646f72616e646f6dULL;
	__u64 v2 = key0 ^ 0x6c7967656e657261ULL, v3 = key1 ^ 0x7465646279746573ULL;
	v3 ^= first;
	ROUND();
	v0 ^= first;
	v3 ^= last;
	ROUND();
	v0 ^= last;
	v2 ^= 0xff;
	ROUND();
	ROUND();
	ROUND();
	return (__u32)(v0 ^ v1 ^ v2 ^ v3);
}

static __always_inline int is_proven(const struct iphdr *ip, const struct tcphdr *tcp)
{
	__u32 sequence = bpf_ntohl(tcp->ack_seq) - 1;
	if (!numbers)
		return proof(ip->daddr, ip->saddr, tcp->dest, tcp->source, 0) == sequence;
#pragma clang loop unroll(disable)
	for (__u32 number = 1; number <= MOST_NUMBERS; number++) {
		if (number > numbers)
			return 0;
		if (proof(ip->daddr, ip->saddr, tcp->dest, tcp->source, number) == sequence)
			return 1;
	}
	return 0;
}

static __always_inline __u16 folded(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u64 pseudo_header(const struct iphdr *ip, __u16 length)
{
	return (__u64)ip->saddr + ip->daddr + bpf_htons(IPPROTO_TCP) + bpf_htons(length);
}

/* Whether the checksums are right; that of TCP may be left to the hardware, as it is on a virtual cable. `length` is that of the header,
 * which is all there is. */
static __always_inline int is_intact(const struct iphdr *ip, const struct tcphdr *tcp, __u32 length, void *end)
{
	const __u16 *words = (const __u16 *)ip;
	__u64 sum = 0;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	if (folded(sum) != 0xffff)
		return 0;
	__u64 pseudo = pseudo_header(ip, length);
	const __u32 *quads = (const __u32 *)tcp;
	sum = pseudo;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 15; i++) {
		if (i * 4 >= length)
			break;
		const __u32 *next = quads + i + 1;
		/* Or the compiler moves the addition to the other side, which the verifier does not allow. */
		asm volatile("" : "+r"(next));
		if ((void *)next > end)
			return 0;
		sum += next[-1];
	}
	return folded(sum) == 0xffff || tcp->check == folded(pseudo);
}

/* Turns the SYN-ACK into the reset that user space would send: `RstTemplate`. */
static __always_inline int reset(struct xdp_md *ctx, struct ethhdr *ethernet, struct iphdr *ip, struct tcphdr *tcp)
{
	__u8 mac[ETH_ALEN];
	__builtin_memcpy(mac, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, mac, ETH_ALEN);
	__be32 ours = ip->daddr;
	ip->daddr = ip->saddr;
	ip->saddr = ours;
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*tcp));
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = TTL;
	ip->check = 0;
	__be16 port = tcp->dest;
	tcp->dest = tcp->source;
	tcp->source = port;
	tcp->seq = tcp->ack_seq;
	tcp->ack_seq = 0;
	__u8 *control = (__u8 *)tcp + 12;
	control[0] = sizeof(*tcp) / 4 << 4;
	control[1] = RST;
	tcp->window = 0;
	tcp->check = 0;
	tcp->urg_ptr = 0;
	__u64 sum = 0;
	const __u16 *words = (const __u16 *)ip;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	ip->check = ~folded(sum);
	sum = pseudo_header(ip, sizeof(*tcp));
	words = (const __u16 *)tcp;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	tcp->check = ~folded(sum);
	int excess = (int)bpf_xdp_get_buff_len(ctx) - (int)(sizeof(*ethernet) + sizeof(*ip) + sizeof(*tcp));
	if (excess > 0 && bpf_xdp_adjust_tail(ctx, -excess))
		return XDP_DROP;
	return XDP_TX;
}

/* A frame that is no SYN: it is resized, then copied by bytes. */
static __noinline int copy_unusual(struct xdp_md *ctx, struct slot *slot)
{
	if (!slot)
		return -1;
	__u64 length = slot->length;
	if (length < ETH_HLEN || length > FRAME)
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

static __always_inline int transmit(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	/* So many words before the frame are a call's only mark that a run can see: nobody reads what is in them. */
	__u32 number = (data - (void *)(long)ctx->data_meta) / sizeof(__u32);
	struct control *lane = bpf_map_lookup_elem(&control, &number);
	if (!lane || lane->full)
		return XDP_DROP;
	lane->processor = bpf_get_smp_processor_id();
	__u32 index = lane->next++;
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return XDP_DROP;
	if (slot->length == USUAL && data + USUAL <= end) {
		__u64 *to = data;
		__u64 *from = (__u64 *)slot->frame;
#pragma unroll
		for (int i = 0; i < USUAL / 8; i++)
			to[i] = from[i];
		*(__u16 *)(data + 64) = *(__u16 *)(slot->frame + 64);
	} else if (copy_unusual(ctx, slot)) {
		lane->malformed++;
		return XDP_DROP;
	}
	if (bpf_redirect_map(&device, 0, XDP_DROP) == XDP_REDIRECT)
		return XDP_REDIRECT;
	/* The interface is gone. */
	lane->dropped++;
	lane->error = ENODEV;
	return XDP_DROP;
}

static __always_inline int receive(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(*ethernet);
	struct tcphdr *tcp = (void *)ip + sizeof(*ip);
	if ((void *)(tcp + 1) > end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) || *(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	__u16 port = bpf_ntohs(tcp->dest);
	if (port < first_port || port > last_port)
		return XDP_PASS;
	if (ip->frag_off & bpf_htons(FRAGMENT))
		return XDP_PASS;
	__u8 flags = ((__u8 *)tcp)[13];
	int is_open = (flags & (SYN | ACK | RST | FIN)) == (SYN | ACK);
	if (!is_open && (flags & (RST | ACK)) != (RST | ACK))
		return XDP_PASS;
	__u32 length = (((__u8 *)tcp)[12] >> 4) * 4;
	if (length < sizeof(*tcp) || bpf_ntohs(ip->tot_len) != sizeof(*ip) + length)
		return XDP_PASS;
	if (!is_proven(ip, tcp) || !is_intact(ip, tcp, length, end))
		return XDP_PASS;
	struct unanswered reply = {
		.record = {
			.source = ip->saddr,
			.destination = ip->daddr,
			.source_port = tcp->source,
			.destination_port = tcp->dest,
			.acknowledgement = tcp->ack_seq,
			.window = tcp->window,
			.flags = flags,
			.ttl = ip->ttl,
			.time = bpf_ktime_get_ns() >> 10,
		},
	};
	/* The reader looks by itself, every millisecond: waking it for each reply would cost more than the reply. */
	if (bpf_ringbuf_output(&records, &reply.record, sizeof(reply.record), BPF_RB_NO_WAKEUP))
		count_lost();
	if (!is_open)
		return XDP_DROP;
	__builtin_memcpy(reply.source, ethernet->h_source, ETH_ALEN);
	int action = reset(ctx, ethernet, ip, tcp);
	struct resets *resets = made_here();
	if (resets && action == XDP_TX)
		resets->last[resets->made++ % LAST] = reply;
	return action;
}

SEC("xdp")
int link(struct xdp_md *ctx)
{
	return ctx->ingress_ifindex == LOOPBACK ? transmit(ctx) : receive(ctx);
}

/* The lane whose call has taken frames on this processor which the device was not offered yet; none: what is told is not ours. */
static __always_inline struct control *sending_here(void)
{
	__u32 here = bpf_get_smp_processor_id();
#pragma unroll
	for (int i = 0; i < LANES; i++) {
		__u32 number = i;
		struct control *lane = bpf_map_lookup_elem(&control, &number);
		if (lane && lane->processor == here && lane->next > lane->offered)
			return lane;
	}
	return 0;
}

/* Frames a device was offered. What it did not take are the last of them. The arguments: from, to, sent, drops, error. */
SEC("raw_tp/xdp_devmap_xmit")
int offered(struct bpf_raw_tracepoint_args *ctx)
{
	int sent = (int)ctx->args[2], drops = (int)ctx->args[3], error = (int)ctx->args[4];
	struct control *lane = sending_here();
	if (!lane)
		return 0;
	lane->offered += sent + drops;
	if (drops <= 0)
		return 0;
	lane->dropped += drops;
	lane->error = -error;
	if (!lane->full)
		lane->full = lane->offered - drops + 1;
	return 0;
}

/* Frames that did not even get to the device: it is down. The arguments: from, program, target, error, kind of map, map, number. */
SEC("raw_tp/xdp_redirect_err")
int not_redirected(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *lane = sending_here();
	if (!lane)
		return 0;
	lane->dropped++;
	lane->error = -(int)ctx->args[3];
	return 0;
}

/* Resets a device was offered, on the processor that made them and before it makes more than the one that did not fit. The arguments: device,
 * sent, drops, error. */
SEC("raw_tp/xdp_bulk_tx")
int answered(struct bpf_raw_tracepoint_args *ctx)
{
	int drops = (int)ctx->args[2];
	__u64 all = (int)ctx->args[1] + drops;
	struct resets *resets = made_here();
	/* Of a driver that does not tell more and more are left: then this is another's. */
	if (!resets || resets->made - resets->offered - all > 1)
		return 0;
	resets->offered += all;
	for (int i = 0; i < AT_ONCE; i++) {
		if (i >= drops)
			break;
		struct unanswered *reply = &resets->last[(resets->offered - drops + i) % LAST];
		if (bpf_ringbuf_output(&records, reply, sizeof(*reply), BPF_RB_NO_WAKEUP))
			count_lost();
	}
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
