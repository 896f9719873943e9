/* A frame to what rules ask about: Ethernet, VLAN tags, IPv4 (RFC 791), IPv6 with extension
 * headers (RFC 8200), TCP, UDP, ICMP. The same reading as `seawall_wire::packet::frame`, except
 * that tunnels are not opened: what is dropped here is the outer packet. */
#pragma once

#include "layout.h"

#define VLAN_TAGS 4
#define EXTENSION_HEADERS 12
/* No header begins later than this; the verifier needs to know. */
#define OFFSET_MASK 0x7FFF

enum { PARSED = 0, NOT_IP = 1, UNREADABLE = 2 };
enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58 };

struct facts {
	u64 source[2];
	u64 destination[2];
	u32 length_bytes;
	/* Where the transport payload begins, and how much of it there is. */
	u32 payload_at;
	u32 payload_bytes;
	/* Where TCP options begin, and how many bytes of them there are. */
	u32 options_at;
	u32 options_bytes;
	u16 source_port;
	u16 destination_port;
	u16 tcp_window;
	u8 family;
	u8 protocol;
	u8 ttl;
	u8 fragment;
	u8 tcp_flags;
	u8 icmp_type;
	u8 has_ports;
	u8 has_tcp;
	u8 has_icmp;
};

/* One byte of the frame; -1 beyond its end. */
INLINE int byte_at(const void *data, const void *end, u32 at)
{
	const u8 *place = data + (at & OFFSET_MASK);
	if ((const void *)(place + 1) > end)
		return -1;
	return *place;
}

INLINE void ports(const void *data, const void *end, u32 at, struct facts *facts)
{
	const u16 *place = data + (at & OFFSET_MASK);
	if ((const void *)(place + 2) > end)
		return;
	facts->source_port = be16(place[0]);
	facts->destination_port = be16(place[1]);
}

INLINE void tcp(const void *data, const void *end, u32 at, u32 bytes, struct facts *facts)
{
	facts->has_tcp = 1;
	facts->has_ports = 1;
	facts->payload_bytes = 0;
	const u8 *header = data + (at & OFFSET_MASK);
	if (bytes < 20 || (const void *)(header + 20) > end) {
		/* Cut short: what is there counts. */
		if (bytes >= 4)
			ports(data, end, at, facts);
		if (bytes >= 14) {
			int flags = byte_at(data, end, at + 13);
			facts->tcp_flags = flags < 0 ? 0 : flags & 0x3F;
		}
		return;
	}
	facts->source_port = be16(*(const u16 *)header);
	facts->destination_port = be16(*(const u16 *)(header + 2));
	facts->tcp_flags = header[13] & 0x3F;
	facts->tcp_window = be16(*(const u16 *)(header + 14));
	u32 header_bytes = (header[12] >> 4) * 4;
	if (header_bytes < 20 || header_bytes > bytes)
		return;
	facts->options_at = at + 20;
	facts->options_bytes = header_bytes - 20;
	facts->payload_at = at + header_bytes;
	facts->payload_bytes = bytes - header_bytes;
}

INLINE void udp(const void *data, const void *end, u32 at, u32 bytes, struct facts *facts)
{
	facts->has_ports = 1;
	facts->payload_bytes = 0;
	const u16 *header = data + (at & OFFSET_MASK);
	if (bytes < 8 || (const void *)(header + 4) > end) {
		if (bytes >= 4)
			ports(data, end, at, facts);
		return;
	}
	facts->source_port = be16(header[0]);
	facts->destination_port = be16(header[1]);
	facts->payload_at = at + 8;
	facts->payload_bytes = bytes - 8;
	u32 claimed = be16(header[2]);
	if (facts->fragment == FRAGMENT_WHOLE && claimed >= 8 && claimed <= bytes)
		facts->payload_bytes = claimed - 8;
}

INLINE void icmp(const void *data, const void *end, u32 at, u32 bytes, struct facts *facts)
{
	facts->has_icmp = 1;
	facts->payload_bytes = 0;
	if (bytes == 0)
		return;
	int type = byte_at(data, end, at);
	facts->icmp_type = type < 0 ? 0 : type;
	if (bytes >= 8) {
		facts->payload_at = at + 8;
		facts->payload_bytes = bytes - 8;
	}
}

/* What lies at `at` in the frame, `bytes` of it. */
INLINE void transport(struct xdp_md *context, struct facts *facts, u32 at, u32 bytes)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	facts->payload_at = at;
	facts->payload_bytes = bytes;
	if (facts->fragment == FRAGMENT_LATER)
		return;
	if (facts->protocol == PROTOCOL_TCP)
		tcp(data, end, at, bytes, facts);
	else if (facts->protocol == PROTOCOL_UDP)
		udp(data, end, at, bytes, facts);
	else if (facts->protocol == PROTOCOL_ICMP || facts->protocol == PROTOCOL_ICMPV6)
		icmp(data, end, at, bytes, facts);
}

/* The packet's own length, unless the frame is too short for it. */
INLINE u32 length_on_wire(u32 claimed, u32 header, u32 wire)
{
	return claimed == 0 || claimed < header || claimed > wire ? wire : claimed;
}

/* The packet begins at `ip_at`; its transport header, or what there is instead, at `at`. */
INLINE int parse_rest(struct xdp_md *context, struct facts *facts, u32 ip_at, u32 at)
{
	u32 limit = ip_at + facts->length_bytes;
	transport(context, facts, at, limit > at ? limit - at : 0);
	return PARSED;
}

INLINE int parse_v4(struct xdp_md *context, u32 at, struct facts *facts)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	const u8 *header = data + (at & OFFSET_MASK);
	if ((const void *)(header + 20) > end || header[0] >> 4 != 4)
		return UNREADABLE;
	u32 header_bytes = (header[0] & 15) * 4;
	u32 wire = end - (const void *)header;
	if (header_bytes < 20 || header_bytes > wire)
		return UNREADABLE;
	facts->family = FAMILY_V4;
	facts->source[1] = (u64)*(const u32 *)(header + 12) << 32 | 0xFFFF0000;
	facts->destination[1] = (u64)*(const u32 *)(header + 16) << 32 | 0xFFFF0000;
	facts->protocol = header[9];
	facts->ttl = header[8];
	facts->length_bytes = length_on_wire(be16(*(const u16 *)(header + 2)), header_bytes, wire);
	u16 offset = be16(*(const u16 *)(header + 6));
	if (offset & 0x1FFF)
		facts->fragment = FRAGMENT_LATER;
	else if (offset & 0x2000)
		facts->fragment = FRAGMENT_FIRST;
	return parse_rest(context, facts, at, at + header_bytes);
}

INLINE int is_extension(u8 protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 || protocol == 60 ||
	       protocol == 135 || protocol == 139 || protocol == 140;
}

/* One extension header, read into one word: the following protocol, the kind of fragment that it
 * makes of the packet, whether it is the last that can be followed, and its length. */
#define STEP(next, fragment, is_last, bytes) ((u64)(bytes) << 32 | (is_last) << 16 | (fragment) << 8 | (next))
#define STEP_FRAGMENT(step) ((step) >> 8 & 3)
#define STEP_IS_LAST(step) ((step) >> 16 & 1)
#define STEP_BYTES(step) ((step) >> 32 & 0xFFF)
/* No fragment header. */
#define NO_FRAGMENT 3

STAGE u64 extension(struct xdp_md *context, u32 at, u32 next)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	const u8 *header = data + (at & OFFSET_MASK);
	if (!is_extension(next) || (const void *)(header + 2) > end)
		return STEP(next, NO_FRAGMENT, 1, 0);
	if (next != 44)
		return STEP(header[0], NO_FRAGMENT, 0, 8 + (next == 51 ? 4 : 8) * (u32)header[1]);
	if ((const void *)(header + 4) > end)
		return STEP(next, NO_FRAGMENT, 1, 0);
	u16 offset = be16(*(const u16 *)(header + 2));
	if (offset & 0xFFF8)
		return STEP(header[0], FRAGMENT_LATER, 1, 8);
	return STEP(header[0], offset & 1 ? FRAGMENT_FIRST : FRAGMENT_WHOLE, 0, 8);
}

/* Follows the extension headers; returns where the transport header begins. */
INLINE u32 extensions(struct xdp_md *context, u32 at, u8 next, struct facts *facts)
{
	for (int i = 0; i < EXTENSION_HEADERS; i++) {
		facts->protocol = next;
		if (likely(!is_extension(next)))
			break;
		u64 step = extension(context, at, next);
		if (STEP_FRAGMENT(step) != NO_FRAGMENT)
			facts->fragment = STEP_FRAGMENT(step);
		at = (at + STEP_BYTES(step)) & OFFSET_MASK;
		next = step;
		if (STEP_IS_LAST(step)) {
			facts->protocol = next;
			break;
		}
	}
	return at;
}

INLINE int parse_v6(struct xdp_md *context, u32 at, struct facts *facts)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	const u8 *header = data + (at & OFFSET_MASK);
	if ((const void *)(header + 40) > end || header[0] >> 4 != 6)
		return UNREADABLE;
	u32 claimed = be16(*(const u16 *)(header + 4));
	facts->family = FAMILY_V6;
	__builtin_memcpy(facts->source, header + 8, 16);
	__builtin_memcpy(facts->destination, header + 24, 16);
	facts->ttl = header[7];
	facts->length_bytes = length_on_wire(claimed ? claimed + 40 : 0, 40, end - (const void *)header);
	return parse_rest(context, facts, at, extensions(context, at + 40, header[6], facts));
}

/* Fills `facts`, which must be zero. */
INLINE int parse(struct xdp_md *context, struct facts *facts)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	if (data + 14 > end)
		return UNREADABLE;
	u16 kind = *(const u16 *)(data + 12);
	u32 at = 14;
	for (int i = 0; i < VLAN_TAGS; i++) {
		if (kind != be16(0x8100) && kind != be16(0x88A8))
			break;
		const u16 *tag = data + at;
		if ((const void *)(tag + 2) > end)
			return UNREADABLE;
		kind = tag[1];
		at += 4;
	}
	if (likely(kind == be16(0x0800)))
		return parse_v4(context, at, facts);
	if (kind == be16(0x86DD))
		return parse_v6(context, at, facts);
	return NOT_IP;
}
