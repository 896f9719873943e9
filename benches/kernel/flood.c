/* Sends one kind of flood into a network namespace, at a bounded rate for a bounded time:
 *
 *   flood INTERFACE VICTIM-MAC VECTOR SEED PACKETS-PER-SECOND MILLISECONDS
 *
 * The seed chooses the hidden trait that the packets of one flood share: a TTL, a length, the first
 * bytes of the payload, where there is one, or, of TCP, the layout of options. All else that an
 * attacker chooses freely is drawn anew for each packet. A 6 in a vector's name makes it IPv6. Prints
 * the time of the first packet and how many were sent. `blocked` and `anyone` are small datagrams that
 * cost little to make: from the addresses that `cost` blocks, and from any. It sends nothing outside of
 * a namespace that has no other way out than a veth pair: it refuses interfaces of another kind. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define FRAME 1514
#define MOST_PER_S 1000000
#define MOST_MS 30000

enum { TRAIT_TTL, TRAIT_LENGTH, TRAIT_PREFIX, TRAIT_OPTIONS };

struct plan {
	const char *vector;
	uint64_t state;
	int trait;
	uint8_t ttl, prefix[4];
	uint16_t length;
	int options;
	uint8_t victim_mac[6], own_mac[6];
};

static uint64_t draw(struct plan *p)
{
	p->state ^= p->state << 13;
	p->state ^= p->state >> 7;
	p->state ^= p->state << 17;
	return p->state * 0x2545F4914F6CDD1DULL >> 16;
}

static int is(const struct plan *p, const char *name)
{
	return !strncmp(p->vector, name, strlen(name));
}

/* What is about its senders alone. */
static int is_small(const struct plan *p)
{
	return is(p, "blocked") || is(p, "anyone");
}

/* Layouts of TCP options are a trait of TCP alone, and openings carry no payload. */
static int trait_of(const struct plan *p, uint64_t seed)
{
	static const int of_openings[] = { TRAIT_TTL, TRAIT_LENGTH, TRAIT_OPTIONS };
	int trait = seed % 4;
	if (trait == TRAIT_PREFIX && is(p, "syn"))
		return of_openings[seed / 4 % 3];
	if (trait == TRAIT_OPTIONS && !is(p, "syn") && !is(p, "ack"))
		return seed / 4 % TRAIT_OPTIONS;
	return trait;
}

static uint32_t sum(const void *data, size_t bytes, uint32_t start)
{
	const uint8_t *d = data;
	for (size_t i = 0; i + 1 < bytes; i += 2)
		start += d[i] << 8 | d[i + 1];
	if (bytes & 1)
		start += d[bytes - 1] << 8;
	return start;
}

static uint16_t folded(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xFFFF) + (s >> 16);
	return htons(~s);
}

/* Layouts of options that stacks send, each a multiple of four bytes. */
static const struct { uint8_t bytes; uint8_t text[20]; } LAYOUTS[] = {
	{ 4, { 2, 4, 5, 180 } },
	{ 8, { 2, 4, 5, 180, 1, 3, 3, 8 } },
	{ 12, { 2, 4, 5, 180, 1, 3, 3, 6, 1, 1, 4, 2 } },
	{ 20, { 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7 } },
	{ 8, { 4, 2, 1, 1, 2, 4, 5, 180 } },
	{ 12, { 3, 3, 5, 1, 2, 4, 4, 0, 1, 1, 4, 2 } },
	{ 0, { 0 } },
};
/* Of those, what people's openings have here too. */
#define LINUX_LAYOUT 3
#define LAYOUT_COUNT (sizeof(LAYOUTS) / sizeof(*LAYOUTS))

static void address(struct plan *p, uint8_t *at, int is_v6, int is_source)
{
	uint64_t n = draw(p);
	if (is_v6) {
		static const uint8_t net[2][6] = { { 0x20, 1, 0xd, 0xb8, 0, 1 }, { 0x20, 1, 0xd, 0xb8, 0, 9 } };
		memcpy(at, net[is_source], 6);
		memset(at + 6, 0, 10);
		if (is_source)
			memcpy(at + 6, &n, 6);
		else
			at[15] = 1;
		return;
	}
	uint32_t a = 0xC6336401; /* 198.51.100.1 */
	if (!is_source && is(p, "carpet"))
		a = 0xC6336400 | (n % 250 + 1);
	else if (is_source && is(p, "few"))
		a = 0xCB007100 | (n % 4 + 1);
	else if (is_source && is(p, "reflect"))
		a = 0x2D000000 + (uint32_t)(n % 3000) * 5003;
	else if (is_source && is(p, "blocked"))
		a = (uint32_t)(n % 900000) * 2654435761U;
	else if (is_source && is(p, "anyone"))
		a = n;
	else if (is_source && (is(p, "syn-spoofed") || is(p, "syn4-plain")))
		a = 0x0B000000 + (uint32_t)(n % 0xB0000000);
	else if (is_source)
		a = 0x2E000000 + (uint32_t)(n % 20000) * 331;
	a = htonl(a);
	memcpy(at, &a, 4);
}

static void payload(struct plan *p, uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t n = draw(p) * 0x9E3779B97F4A7C15ULL;
		memcpy(at + i, &n, bytes - i < 8 ? bytes - i : 8);
	}
	if (p->trait == TRAIT_PREFIX && bytes >= 4)
		memcpy(at, p->prefix, 4);
}

static size_t tcp(struct plan *p, uint8_t *t, uint32_t pseudo)
{
	int is_ack = is(p, "ack");
	int is_plain = strstr(p->vector, "plain") != 0;
	int layout = p->trait == TRAIT_OPTIONS ? p->options : (int)(draw(p) % LAYOUT_COUNT);
	if (is_ack && p->trait != TRAIT_OPTIONS)
		layout = LAYOUT_COUNT - 1;
	if (is_plain)
		layout = LINUX_LAYOUT;
	size_t options = LAYOUTS[layout].bytes, header = 20 + options, data = 0;
	uint64_t n = draw(p);
	uint16_t window = p->trait == TRAIT_LENGTH ? 1024 + p->length : (uint16_t)(n >> 20 | 1);
	if (is_plain)
		window = 64240;
	memset(t, 0, header);
	*(uint16_t *)t = htons(is_plain ? 32768 + n % 28232 : 1024 + n % 60000);
	*(uint16_t *)(t + 2) = htons(is_ack && n & 1 ? 443 : 80);
	*(uint32_t *)(t + 4) = draw(p);
	if (is_ack)
		*(uint32_t *)(t + 8) = draw(p);
	t[12] = header / 4 << 4;
	t[13] = is_ack ? 16 : 2;
	*(uint16_t *)(t + 14) = htons(window);
	memcpy(t + 20, LAYOUTS[layout].text, options);
	if (is_ack && p->trait == TRAIT_PREFIX) {
		data = 8 + n % 32;
		payload(p, t + header, data);
	}
	*(uint16_t *)(t + 16) = folded(sum(t, header + data, pseudo + 6 + header + data));
	return header + data;
}

static size_t udp(struct plan *p, uint8_t *t, size_t bytes, uint16_t from, uint16_t to)
{
	*(uint16_t *)t = htons(from);
	*(uint16_t *)(t + 2) = htons(to);
	*(uint16_t *)(t + 4) = htons(8 + bytes);
	*(uint16_t *)(t + 6) = 0;
	payload(p, t + 8, bytes);
	return 8 + bytes;
}

/* IPv6 asks for a checksum. */
static size_t summed(const struct plan *p, uint8_t *t, size_t bytes, uint32_t pseudo)
{
	if (strchr(p->vector, '6'))
		*(uint16_t *)(t + 6) = folded(sum(t, bytes, pseudo + 17 + bytes));
	return bytes;
}

static size_t transport(struct plan *p, uint8_t *t, uint8_t *protocol, uint32_t pseudo)
{
	uint64_t n = draw(p);
	size_t length = is_small(p) ? 18 : p->trait == TRAIT_LENGTH ? p->length : 18 + n % 900;
	*protocol = 17;
	if (is(p, "syn") || is(p, "ack")) {
		*protocol = 6;
		return tcp(p, t, pseudo);
	}
	if (is(p, "icmp")) {
		int is_v6 = strchr(p->vector, '6') != 0;
		*protocol = is_v6 ? 58 : 1;
		memset(t, 0, 8);
		t[0] = is_v6 ? 128 : 8;
		*(uint32_t *)(t + 4) = n;
		payload(p, t + 8, length);
		*(uint16_t *)(t + 2) = folded(sum(t, 8 + length, is_v6 ? pseudo + 58 + 8 + length : 0));
		return 8 + length;
	}
	if (is(p, "reflect-ntp")) {
		udp(p, t, 440, 123, 1024 + n % 60000);
		memcpy(t + 8, "\xd7\x00\x03\x2a\x00\x06\x00\x48", 8);
		return summed(p, t, 448, pseudo);
	}
	if (is(p, "reflect-dns")) {
		size_t bytes = 900 + n % 500;
		udp(p, t, bytes, 53, 1024 + n % 60000);
		static const uint8_t head[] = { 0x84, 0, 0, 1, 0, 20, 0, 0, 0, 1, 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 255, 0, 1 };
		memcpy(t + 10, head, sizeof(head));
		return summed(p, t, 8 + bytes, pseudo);
	}
	if (is(p, "reflect-ssdp")) {
		size_t bytes = 260 + n % 80;
		udp(p, t, bytes, 1900, 1024 + n % 60000);
		memcpy(t + 8, "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\n", 46);
		return summed(p, t, 8 + bytes, pseudo);
	}
	return summed(p, t, udp(p, t, length, 1024 + n % 60000, 1 + (n >> 20) % 60000), pseudo);
}

static size_t build(struct plan *p, uint8_t *f)
{
	int is_v6 = strchr(p->vector, '6') != 0;
	uint8_t *ip = f + 14, ttl = p->trait == TRAIT_TTL ? p->ttl : 30 + draw(p) % 200;
	if (strstr(p->vector, "plain"))
		ttl = 64;
	memcpy(f, p->victim_mac, 6);
	memcpy(f + 6, p->own_mac, 6);
	*(uint16_t *)(f + 12) = htons(is_v6 ? 0x86DD : 0x0800);
	memset(ip, 0, 40);
	if (is_v6) {
		ip[0] = 0x60;
		ip[7] = ttl;
		address(p, ip + 8, 1, 1);
		address(p, ip + 24, 1, 0);
		size_t bytes = transport(p, ip + 40, ip + 6, sum(ip + 8, 32, 0));
		*(uint16_t *)(ip + 4) = htons(bytes);
		return 54 + bytes;
	}
	ip[0] = 0x45;
	*(uint16_t *)(ip + 4) = draw(p);
	ip[8] = ttl;
	address(p, ip + 12, 0, 1);
	address(p, ip + 16, 0, 0);
	size_t bytes = transport(p, ip + 20, ip + 9, sum(ip + 12, 8, 0));
	if (is(p, "fragments"))
		*(uint16_t *)(ip + 6) = htons(0x2000 | (1 + draw(p) % 180));
	*(uint16_t *)(ip + 2) = htons(20 + bytes);
	*(uint16_t *)(ip + 10) = folded(sum(ip, 20, 0));
	return 34 + bytes;
}

static uint64_t now_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int is_veth(int fd, struct ifreq *request)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	request->ifr_data = (char *)&info;
	return ioctl(fd, SIOCETHTOOL, request) == 0 && !strcmp(info.driver, "veth");
}

static int open_interface(const char *name, struct plan *p)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;
	struct ifreq request = {};
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || !is_veth(fd, &request) || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return -1;
	memcpy(p->own_mac, request.ifr_hwaddr.sa_data, 6);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		return -1;
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = request.ifr_ifindex };
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
	static uint8_t frames[BATCH][FRAME + 600];
	static struct mmsghdr messages[BATCH];
	static struct iovec parts[BATCH];
	struct plan p = {};
	if (argc != 7)
		return fprintf(stderr, "usage: flood INTERFACE VICTIM-MAC VECTOR SEED PACKETS-PER-SECOND MILLISECONDS\n"), 2;
	uint64_t seed = strtoull(argv[4], 0, 10);
	uint64_t per_s = strtoull(argv[5], 0, 10), length_ms = strtoull(argv[6], 0, 10);
	per_s = per_s > MOST_PER_S ? MOST_PER_S : per_s ? per_s : 1;
	length_ms = length_ms > MOST_MS ? MOST_MS : length_ms;
	p.vector = argv[3];
	p.state = seed * 0x9E3779B97F4A7C15ULL | 1;
	p.trait = trait_of(&p, seed);
	for (int i = 0; i < 8; i++)
		draw(&p);
	p.ttl = 40 + draw(&p) % 200;
	p.length = 40 + draw(&p) % 800;
	p.options = draw(&p) % (LAYOUT_COUNT - 1);
	uint64_t prefix = draw(&p);
	memcpy(p.prefix, &prefix, 4);
	if (sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", p.victim_mac, p.victim_mac + 1, p.victim_mac + 2, p.victim_mac + 3, p.victim_mac + 4, p.victim_mac + 5) != 6)
		return fprintf(stderr, "flood: no such MAC address: %s\n", argv[2]), 2;
	int fd = open_interface(argv[1], &p);
	if (fd < 0)
		return fprintf(stderr, "flood: %s is no veth interface that can be sent from\n", argv[1]), 2;
	for (int i = 0; i < BATCH; i++) {
		parts[i].iov_base = frames[i];
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	printf("first %.6f\n", now_ns(CLOCK_REALTIME) / 1e9);
	fflush(stdout);
	uint64_t begun = now_ns(CLOCK_MONOTONIC), sent = 0, total = 0, end = begun + length_ms * 1000000;
	for (;;) {
		uint64_t now = now_ns(CLOCK_MONOTONIC), gone = now - begun;
		if (now >= end)
			break;
		/* A pulse lasts 400 ms of every 1,500. */
		uint64_t on_ns = is(&p, "pulse") ? gone / 1500000000 * 400000000 + (gone % 1500000000 < 400000000 ? gone % 1500000000 : 400000000) : gone;
		uint64_t due = on_ns / 1000 * per_s / 1000000;
		if (sent + BATCH > due) {
			usleep(50);
			continue;
		}
		/* What was missed is not made up for. */
		if (due - sent > per_s / 20)
			sent = due - per_s / 20;
		for (int i = 0; i < BATCH; i++)
			parts[i].iov_len = build(&p, frames[i]);
		int done = sendmmsg(fd, messages, BATCH, 0);
		sent += done > 0 ? done : BATCH;
		total += done > 0 ? done : 0;
	}
	printf("sent %llu\n", (unsigned long long)total);
	return 0;
}
