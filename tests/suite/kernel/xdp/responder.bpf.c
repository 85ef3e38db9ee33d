/* Answers SYNs in the driver, for tests and comparisons: whether a target is open, closed or silent is a hash of its address and port, so
 * that the truth needs no memory. What is not a SYN or RST to the network it answers for goes its usual way. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Written by whoever attaches this. */
struct settings {
	/* The network answered for, host byte order. */
	__u32 network;
	__u32 mask;
	/* Of a million targets. The rest is silent. */
	__u32 open;
	__u32 closed;
	/* Of a million SYNs that should be answered: not, by lot. */
	__u32 loss;
	/* SYNs taken in a second, in bursts of up to `burst`; 0: all. */
	__u32 rate;
	__u32 burst;
	/* Of half-open connections, a power of two, at most `REMEMBERED`; 0: none is remembered. */
	__u32 remembered;
};

struct counts {
	__u64 syns;
	__u64 syn_acks;
	__u64 resets;
	/* SYNs above the rate, and lost. */
	__u64 limited;
	__u64 lost;
	/* RSTs that ended a half-open connection, and RSTs that did not. */
	__u64 ended;
	__u64 strays;
	__u64 unused;
};

struct bucket {
	__u64 at;
	__u64 tokens;
};

#define REMEMBERED (1 << 23)
#define MILLION 1000000
#define SECOND 1000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bucket);
} bucket SEC(".maps");

/* Acknowledgement numbers of half-open connections, by the low bits of address times 64 plus port. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, REMEMBERED);
	__type(key, __u32);
	__type(value, __u32);
} half_open SEC(".maps");

/* The truth: kept in step with `fate` in the tests. */
static __always_inline __u32 fate(__u32 address, __u16 port)
{
	__u64 x = (__u64)address << 16 | port;
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 32;
	return (__u32)(x >> 8) % MILLION;
}

static __always_inline __u16 folded(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u32 place(__u32 address, __u16 port, __u32 remembered)
{
	return (address + (__u32)port * 0x9e3779b1u) & (remembered - 1) & (REMEMBERED - 1);
}

SEC("xdp")
int respond(struct xdp_md *ctx)
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
	__u32 zero = 0;
	struct settings *set = bpf_map_lookup_elem(&settings, &zero);
	struct counts *count = bpf_map_lookup_elem(&counts, &zero);
	if (!set || !count)
		return XDP_PASS;
	__u32 address = bpf_ntohl(ip->daddr);
	if (!set->mask || (address & set->mask) != set->network)
		return XDP_PASS;
	__u16 port = bpf_ntohs(tcp->dest);
	__u8 *control = (__u8 *)tcp + 12;
	__u32 entry = place(address, port, set->remembered);
	__u32 *known = set->remembered ? bpf_map_lookup_elem(&half_open, &entry) : 0;
	if (control[1] & 0x04) {
		if (known && *known && *known == bpf_ntohl(tcp->seq)) {
			*known = 0;
			count->ended++;
		} else {
			count->strays++;
		}
		return XDP_DROP;
	}
	if ((control[1] & 0x12) != 0x02)
		return XDP_DROP;
	count->syns++;
	if (set->rate) {
		/* Exact enough on one processor, where the sender's call runs it. */
		struct bucket *rest = bpf_map_lookup_elem(&bucket, &zero);
		if (!rest)
			return XDP_DROP;
		__u64 now = bpf_ktime_get_ns();
		__u64 most = (__u64)set->burst * SECOND;
		__u64 since = now - rest->at;
		if (since > SECOND)
			since = SECOND;
		__u64 tokens = rest->tokens + since * set->rate;
		if (tokens > most)
			tokens = most;
		rest->at = now;
		if (tokens < SECOND) {
			rest->tokens = tokens;
			count->limited++;
			return XDP_DROP;
		}
		rest->tokens = tokens - SECOND;
	}
	__u32 lot = fate(address, port);
	if (lot >= set->open + set->closed)
		return XDP_DROP;
	if (set->loss && bpf_get_prandom_u32() % MILLION < set->loss) {
		count->lost++;
		return XDP_DROP;
	}
	int is_open = lot < set->open;
	__u32 sequence = bpf_ntohl(tcp->seq);
	__u8 mac[ETH_ALEN];
	__builtin_memcpy(mac, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, mac, ETH_ALEN);
	__be32 to = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = to;
	__be16 back = tcp->source;
	tcp->source = tcp->dest;
	tcp->dest = back;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*tcp));
	ip->ttl = 63;
	ip->check = 0;
	tcp->ack_seq = bpf_htonl(sequence + 1);
	tcp->seq = is_open ? bpf_htonl(lot ^ 0x5a5a5a5a) : 0;
	control[0] = 5 << 4;
	control[1] = is_open ? 0x12 : 0x14;
	tcp->window = is_open ? bpf_htons(64240) : 0;
	tcp->check = 0;
	tcp->urg_ptr = 0;
	const __u16 *words = (const __u16 *)ip;
	__u64 sum = 0;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	ip->check = ~folded(sum);
	sum = (__u64)ip->saddr + ip->daddr + bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*tcp));
	words = (const __u16 *)tcp;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	tcp->check = ~folded(sum);
	int excess = (int)bpf_xdp_get_buff_len(ctx) - (int)(sizeof(*ethernet) + sizeof(*ip) + sizeof(*tcp));
	if (excess > 0 && bpf_xdp_adjust_tail(ctx, -excess))
		return XDP_DROP;
	if (is_open) {
		count->syn_acks++;
		if (known)
			*known = sequence + 1 ? sequence + 1 : 1;
	} else {
		count->resets++;
	}
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
