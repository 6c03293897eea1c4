/* SPDX-License-Identifier: MIT
 *
 * winbpf run: a capture through an XDP program, in this process and without privileges.
 *
 * The object is loaded by the library like an application's, and so verified; packets then go to the loaded program
 * directly, so that with --unsafe a fault of the checked interpreter comes with its instruction and reason.  Packets
 * that the capture cut short run on the bytes that are there.
 *
 * The written capture is whole or it is gone: it is created once the read one is known to be a capture, and removed
 * when the run ends before the read one does, be it by an error or by a signal.  Only a regular file is ever removed.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/object_impl.h"
#include "bpf/bpf.h"
#include "cli.h"
#include "core/client.h"
#include "core/epoch.h"
#include "core/map.h"
#include "core/prog.h"
#include "helpers/trace.h"
#include "hooks/xdp.h"
#include "pcap.h"
#include "platform/os.h"

enum {
    FAULTS_SHOWN = 10,
    ENDLESS_MOST = 100,
    MAPS_MOST = 64,
    SETS_MOST = 256,
    FRAME_BUFFER = XDP_HEADROOM + PCAP_PACKET_MAX + 4096
};

static const char *const verdict_names[] = {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"};

struct run_state {
    const char *object_path, *pcap_path, *out_path, *program_name;
    const char *sets[SETS_MOST];
    int set_count;
    enum elf_personality_choice personality;
    bool json, unsafe;

    FILE *text; /* where results go */
    struct bpf_object *object;
    struct bpf_program *program;
    struct prog *prog; /* referenced */
    struct ring_buffer *rings;
    struct ring_listener {
        struct run_state *run;
        const struct bpf_map *map;
    } listeners[MAPS_MOST];
    int ring_count;

    uint64_t packets, cut, too_short, faults, endless, events;
    uint64_t verdicts[5];
    uint64_t bytes_in, bytes_out;
    bool listing; /* JSON: an element of the events array has been printed */
};

/* The log's reason on one line: the verifier's sentence (it has a code) after where it applies, or the only line. */
static void reason_of(char *log, char *out, size_t size)
{
    static const char at[] = "rejected at ";
    const char *reason = log, *place = NULL;
    for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n")) {
        if (line[0] == 'V' && strspn(line + 1, "0123456789") == 4 && line[5] == ':')
            reason = line;
        else if (!strncmp(line, at, sizeof at - 1))
            place = line + sizeof at - 1;
    }
    snprintf(out, size, "%s%s%s", place ? place : "", place ? ": " : "", reason);
}

/* The library says what failed, then the log, then that loading failed: one line here.  A rejection waits for the log,
 * which has its reason. */
static int print_library(enum libbpf_print_level level, const char *format, va_list arguments)
{
    static const char prefix[] = "libbpf: ", rejected[] = ": rejected: ";
    static char waiting[4096];
    static bool said;
    char *line;
    if (level > LIBBPF_WARN)
        return 0;
    bool own = !strncmp(format, prefix, sizeof prefix - 1);
    if (vasprintf(&line, own ? format + sizeof prefix - 1 : format, arguments) < 0) {
        cli_error("out of memory");
        return 0;
    }
    if (*waiting && !own && *line) {
        char why[1024], *reason = strstr(waiting, rejected) + sizeof rejected - 1;
        reason_of(line, why, sizeof why);
        cli_error("%.*s%s", (int)(reason - waiting), waiting, why);
        *waiting = 0;
        said = true;
        free(line);
        return 0;
    }
    line[strcspn(line, "\n")] = 0;
    if (!strncmp(line, "WINBPF_UNSAFE", 13)) { /* the results say so */
        free(line);
        return 0;
    }
    if (*waiting) {
        cli_error("%s", waiting);
        *waiting = 0;
        said = true;
    }
    if (own && strstr(line, rejected)) {
        snprintf(waiting, sizeof waiting, "%s", line);
    } else if (own && !(said && !strncmp(line, "failed to load object", 21))) {
        cli_error("%s", line);
        said = true;
    }
    free(line);
    return 0;
}

static bool parse(int argc, char **argv, struct run_state *run)
{
    bool missing = false;
    for (int i = 0; i < argc && !missing; i++) {
        const char *value;
        if ((value = cli_option(argc, argv, &i, "--pcap", &missing))) {
            run->pcap_path = value;
        } else if (!missing && (value = cli_option(argc, argv, &i, "--out", &missing))) {
            run->out_path = value;
        } else if (!missing && (value = cli_option(argc, argv, &i, "--program", &missing))) {
            run->program_name = value;
        } else if (!missing && (value = cli_option(argc, argv, &i, "--personality", &missing))) {
            if (!cli_personality(value, &run->personality)) {
                cli_error("--personality is '%s': linux or efw", value);
                return false;
            }
        } else if (!missing && (value = cli_option(argc, argv, &i, "--map", &missing))) {
            if (run->set_count == SETS_MOST) {
                cli_error("--map more than %d times", SETS_MOST);
                return false;
            }
            run->sets[run->set_count++] = value;
        } else if (missing) {
            return false;
        } else if (!strcmp(argv[i], "--json")) {
            run->json = true;
        } else if (!strcmp(argv[i], "--unsafe")) {
            run->unsafe = true;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            cli_error("unknown option '%s'", argv[i]);
            return false;
        } else if (run->object_path) {
            cli_error("one object at a time: '%s'", argv[i]);
            return false;
        } else {
            run->object_path = argv[i];
        }
    }
    if (missing)
        return false;
    if (!run->object_path || !run->pcap_path) {
        cli_error(run->object_path ? "which capture? (--pcap FILE)" : "which object? (winbpf run --help)");
        return false;
    }
    if (!strcmp(run->object_path, "-")) {
        if (!strcmp(run->pcap_path, "-")) {
            cli_error("the object and the capture cannot both be standard input");
            return false;
        }
        run->object_path = "/dev/stdin";
    }
    return true;
}

/* The program to run; others of its type are loaded too, for tail calls. */
static int choose(struct run_state *run)
{
    struct bpf_program *program;
    int found = 0;
    bpf_object__for_each_program(program, run->object)
    {
        bool xdp = !strcmp(program->section, "xdp") ||
                   contract_program(run->object->elf.personality, program->type) == &contract_xdp;
        bool named = run->program_name && !strcmp(bpf_program__name(program), run->program_name);
        if (named && !xdp) {
            cli_error("%s: program '%s': section '%s' is not XDP's", run->object_path, run->program_name,
                      program->section);
            return EXIT_REJECTED;
        }
        if (named || (!run->program_name && xdp)) {
            run->program = program;
            found++;
        }
        program->skip = !xdp || (program->skip && !named);
    }
    if (found == 1)
        return EXIT_OK;
    if (!found && run->program_name) {
        cli_error("%s: no program '%s'", run->object_path, run->program_name);
        return EXIT_REJECTED;
    }
    if (!found) {
        cli_error("%s: no XDP program", run->object_path);
        return EXIT_REJECTED;
    }
    char names[1024] = "";
    bpf_object__for_each_program(program, run->object)
    {
        size_t used = strlen(names);
        if (!program->skip)
            snprintf(names + used, sizeof names - used, " %s", bpf_program__name(program));
    }
    cli_error("%s: several XDP programs, choose with --program:%s", run->object_path, names);
    return EXIT_USAGE;
}

/* Unsigned, or negative in two's complement. */
static bool fits(uint64_t number, size_t size)
{
    return size >= 8 || number >> size * 8 == 0 || (size && -number <= (uint64_t)1 << (size * 8 - 1));
}

/* "ports:53=0" */
static bool set_entry(struct run_state *run, const char *text)
{
    char name[64], *end;
    const char *colon = strrchr(text, ':');
    uint8_t key[256] = {0}, *value;
    if (!colon || (size_t)(colon - text) >= sizeof name) {
        cli_error("--map '%s': NAME:KEY=VALUE is meant", text);
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(colon - text), text);
    struct bpf_map *map = bpf_object__find_map_by_name(run->object, name);
    if (!map) {
        cli_error("--map '%s': no map '%s'", text, name);
        return false;
    }
    errno = 0;
    uint64_t key_number = strtoull(colon + 1, &end, 0), value_number;
    const char *equals = end, *last = end;
    if (*equals == '=') {
        value_number = strtoull(equals + 1, &end, 0);
        last = end;
    }
    if (errno || *equals != '=' || equals == colon + 1 || last == equals + 1 || *last) {
        cli_error("--map '%s': NAME:KEY=VALUE with numbers is meant", text);
        return false;
    }
    size_t size = bpf_map__value_size(map), key_size = bpf_map__key_size(map), copies = 1;
    if (map_is_percpu((uint32_t)bpf_map__type(map))) {
        size = (size + 7) & ~(size_t)7;
        copies = (size_t)libbpf_num_possible_cpus();
    }
    if (!fits(key_number, key_size) || !fits(value_number, bpf_map__value_size(map))) {
        cli_error("--map '%s': a number is too large for keys of %zu and values of %u bytes", text, key_size,
                  bpf_map__value_size(map));
        return false;
    }
    if (key_size > sizeof key || !(value = calloc(copies, size ? size : 1))) {
        cli_error("--map '%s': keys of %zu bytes", text, key_size);
        return false;
    }
    memcpy(key, &key_number, key_size < 8 ? key_size : 8);
    memcpy(value, &value_number, size < 8 ? size : 8);
    int result = bpf_map_update_elem(bpf_map__fd(map), key, value, 0);
    free(value);
    if (result)
        cli_error("--map '%s': %s", text, strerror(-result));
    return !result;
}

static int on_event(void *context, void *data, size_t size)
{
    const struct ring_listener *listener = context;
    const struct bpf_map *map = listener->map;
    struct run_state *run = listener->run;
    run->events++;
    if (run->json) {
        fprintf(run->text, "%s{\"packet\":%" PRIu64 ",\"map\":", run->listing ? "," : "", run->packets);
        cli_print_json_text(run->text, bpf_map__name(map));
        fputs(",\"data\":\"", run->text);
        for (size_t i = 0; i < size; i++)
            fprintf(run->text, "%02x", ((const uint8_t *)data)[i]);
        fputs("\"}", run->text);
        run->listing = true;
    } else {
        fprintf(run->text, "packet %" PRIu64 ": event in %s: ", run->packets, bpf_map__name(map));
        cli_print_value(run->text, NULL, 0, data, size);
        fputc('\n', run->text);
    }
    return 0;
}

static void on_trace(void *self, const char *line)
{
    struct run_state *run = self;
    size_t length = strcspn(line, "\n");
    if (run->json) {
        char text[1024];
        snprintf(text, sizeof text, "%.*s", (int)length, line);
        fprintf(run->text, "%s{\"packet\":%" PRIu64 ",\"trace\":", run->listing ? "," : "", run->packets);
        cli_print_json_text(run->text, text);
        fputc('}', run->text);
        run->listing = true;
    } else {
        char text[1024];
        snprintf(text, sizeof text, "%.*s", (int)length, line);
        fprintf(run->text, "packet %" PRIu64 ": trace: ", run->packets);
        for (const char *c = text; *c; c++)
            fputc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, run->text);
        fputc('\n', run->text);
    }
}

static bool listen_to_rings(struct run_state *run)
{
    struct bpf_map *map;
    trace_set_sink(on_trace, run);
    bpf_object__for_each_map(map, run->object)
    {
        if (bpf_map__type(map) != BPF_MAP_TYPE_RINGBUF || run->ring_count == MAPS_MOST)
            continue;
        struct ring_listener *listener = &run->listeners[run->ring_count++];
        *listener = (struct ring_listener){run, map};
        if (!run->rings)
            run->rings = ring_buffer__new(bpf_map__fd(map), on_event, listener, NULL);
        else if (ring_buffer__add(run->rings, bpf_map__fd(map), on_event, listener))
            return false;
        if (!run->rings)
            return false;
    }
    return true;
}

static void drain_rings(struct run_state *run)
{
    for (int i = 0; i < run->ring_count; i++) {
        struct ring *ring = ring_buffer__ring(run->rings, (unsigned)i);
        if (ring__avail_data_size(ring))
            ring__consume(ring);
    }
}

static void report_fault(struct run_state *run, const struct code_fault *fault)
{
    run->endless += fault->kind == FAULT_BUDGET;
    if (run->faults++ >= FAULTS_SHOWN)
        return;
    cli_error("%s: program '%s': packet %" PRIu64 ": instruction %u: %s", run->object_path,
              bpf_program__name(run->program), run->packets, fault->insn, fault->reason);
    if (run->faults == FAULTS_SHOWN)
        cli_error("further faults are counted only");
}

static bool run_packet(struct run_state *run, uint8_t *buffer, struct pcap_packet *packet, FILE *out)
{
    struct xdp_frame frame;
    struct epoch_state state;
    struct code_fault fault = {.kind = FAULT_NONE};
    run->packets++;
    run->bytes_in += packet->captured;
    if (packet->captured < packet->original)
        run->cut++;
    if (packet->captured < XDP_FRAME_MINIMUM) {
        run->too_short++;
        return true;
    }
    memcpy(buffer + XDP_HEADROOM, packet->data, packet->captured);
    xdp_frame_init(&frame, buffer, FRAME_BUFFER, XDP_HEADROOM, packet->captured);
    frame.context.ingress_ifindex = 1;
    uint32_t cpu = epoch_enter_cpu(&state);
    enum xdp_verdict verdict = xdp_run(run->prog, cpu, &frame, &fault);
    epoch_leave_cpu(&state);
    run->verdicts[verdict]++;
    if (fault.kind != FAULT_NONE)
        report_fault(run, &fault);
    drain_rings(run);
    if (!out || verdict < XDP_VERDICT_PASS)
        return true;
    uint32_t before = packet->captured;
    packet->captured = (uint32_t)(frame.context.data_end - frame.context.data);
    packet->original = packet->original - before + packet->captured;
    packet->data = frame.context.data;
    run->bytes_out += packet->captured;
    return pcap_write(out, packet);
}

/* A stream that remembers why it ended. */
struct stream {
    FILE *file;
    int error;
};

static size_t read_stream(void *self, void *to, size_t size)
{
    struct stream *stream = self;
    size_t got = fread(to, 1, size, stream->file);
    if (got < size && ferror(stream->file) && !stream->error)
        stream->error = errno ? errno : EIO;
    return got;
}

/* What a signal removes; a regular file that this process created or emptied. */
static const char *volatile unfinished;

static void remove_unfinished(int number)
{
    if (unfinished)
        unlink(unfinished);
    signal(number, SIG_DFL);
    raise(number);
}

static bool same_file(const char *path, const struct stat *facts)
{
    struct stat other;
    return stat(path, &other) == 0 && other.st_dev == facts->st_dev && other.st_ino == facts->st_ino;
}

/* EXIT_OK with *out, NULL when none is wanted; or the status with the reason said. */
static int open_out(struct run_state *run, FILE *in, FILE **out)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct stat facts;
    *out = NULL;
    if (!run->out_path)
        return EXIT_OK;
    if (run->text == stderr) {
        *out = stdout;
        return EXIT_OK;
    }
    if (fstat(fileno(in), &facts) == 0 && S_ISREG(facts.st_mode) && same_file(run->out_path, &facts)) {
        cli_error("%s: --out is the capture that is read", run->out_path);
        return EXIT_USAGE;
    }
    if (stat(run->object_path, &facts) == 0 && S_ISREG(facts.st_mode) && same_file(run->out_path, &facts)) {
        cli_error("%s: --out is the object", run->out_path);
        return EXIT_USAGE;
    }
    *out = fopen(run->out_path, "wb");
    if (!*out) {
        cli_error("%s: %s", run->out_path, strerror(errno));
        return EXIT_REJECTED;
    }
    if (fstat(fileno(*out), &facts) == 0 && S_ISREG(facts.st_mode)) {
        unfinished = run->out_path;
        for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
            signal(signals[i], remove_unfinished);
    }
    return EXIT_OK;
}

/* Closes and keeps it, or removes it; the new status. */
static int close_out(struct run_state *run, FILE *out, int status)
{
    if (!out)
        return status;
    errno = 0;
    bool failed = ferror(out) || fflush(out) != 0;
    if (out != stdout)
        failed |= fclose(out) != 0;
    if (failed && !status) {
        cli_error("%s: %s", out == stdout ? "standard output" : run->out_path, strerror(errno ? errno : EIO));
        status = EXIT_REJECTED;
    }
    if (status && unfinished)
        unlink(unfinished);
    unfinished = NULL;
    return status;
}

static int run_packets(struct run_state *run, struct pcap_reader *reader, uint8_t *buffer, FILE *out)
{
    struct pcap_packet packet;
    struct stream *in = reader->self;
    uint64_t shown = 0;
    int status = EXIT_OK, more = 0;
    bool terminal = isatty(STDERR_FILENO);
    errno = 0;
    while (!status && (more = pcap_next(reader, &packet)) > 0) {
        errno = 0;
        if (!run_packet(run, buffer, &packet, out)) {
            cli_error("%s: %s", out == stdout ? "standard output" : run->out_path, strerror(errno ? errno : EIO));
            status = EXIT_REJECTED;
        } else if (ferror(run->text)) {
            if (run->text == stdout)
                cli_error("standard output: %s", strerror(errno ? errno : EIO));
            status = EXIT_REJECTED;
        } else if (run->endless == ENDLESS_MOST) {
            cli_error("%s: program '%s': packet %" PRIu64 ": the %dth that ran too long, the rest is not run",
                      run->object_path, bpf_program__name(run->program), run->packets, ENDLESS_MOST);
            status = EXIT_REJECTED;
        }
        if (terminal && !(run->packets & 1023)) {
            uint64_t now = os_time_monotonic();
            if (now - shown > 200000000) {
                fprintf(stderr, "\r%" PRIu64 " packets", run->packets);
                fflush(stderr);
                shown = now;
            }
        }
    }
    if (shown)
        fputs("\r\033[K", stderr);
    if (!status && (more < 0 || in->error)) {
        if (in->error)
            cli_error("%s: record %llu: %s", run->pcap_path, (unsigned long long)reader->records + 1,
                      strerror(in->error));
        else
            cli_error("%s: %s", run->pcap_path, reader->error);
        status = EXIT_UNREADABLE;
    }
    return status;
}

/* Maps at the end. */

struct entry_printer {
    struct run_state *run;
    struct bpf_map *map;
    uint8_t *key, *next, *value;
    uint64_t shown, zeros;
};

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

static void print_hex(FILE *out, const uint8_t *bytes, size_t size)
{
    fputc('"', out);
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%02x", bytes[i]);
    fputc('"', out);
}

static void print_entry(struct entry_printer *printer, size_t size, size_t copies)
{
    const struct bpf_map *map = printer->map;
    const struct btf *btf = map->object->elf.btf;
    FILE *out = printer->run->text;
    bool json = printer->run->json;
    size_t value_size = bpf_map__value_size(map);
    fputs(json ? printer->shown ? ",{\"key\":" : "{\"key\":" : "  ", out);
    if (json)
        print_hex(out, printer->key, bpf_map__key_size(map));
    else
        cli_print_value(out, btf, map->spec.btf_key, printer->key, bpf_map__key_size(map));
    fputs(json ? copies > 1 ? ",\"values\":[" : ",\"value\":" : ": ", out);
    bool first = true;
    for (size_t cpu = 0; cpu < copies; cpu++) {
        const uint8_t *value = printer->value + cpu * size;
        if (json) {
            fputs(cpu ? "," : "", out);
            print_hex(out, value, value_size);
        } else if (copies == 1) {
            cli_print_value(out, btf, map->spec.btf_value, value, value_size);
        } else if (!all_zero(value, value_size)) {
            fprintf(out, "%scpu %zu: ", first ? "" : ", ", cpu);
            cli_print_value(out, btf, map->spec.btf_value, value, value_size);
            first = false;
        }
    }
    if (!json && copies > 1 && first)
        fputc('0', out);
    fputs(json ? copies > 1 ? "]}" : "}" : "\n", out);
    printer->shown++;
}

static void print_map(struct run_state *run, struct bpf_map *map)
{
    struct entry_printer printer = {.run = run, .map = map};
    uint32_t kind = (uint32_t)bpf_map__type(map);
    bool array = kind == BPF_MAP_TYPE_ARRAY || kind == BPF_MAP_TYPE_PERCPU_ARRAY;
    size_t size = bpf_map__value_size(map), copies = 1, key_size = bpf_map__key_size(map);
    if (map_is_percpu(kind)) {
        size = (size + 7) & ~(size_t)7;
        copies = (size_t)libbpf_num_possible_cpus();
    }
    printer.key = malloc(key_size + 1);
    printer.next = malloc(key_size + 1);
    printer.value = calloc(copies, size + 1);
    if (run->json) {
        cli_print_json_text(run->text, bpf_map__name(map));
        fputs(":[", run->text);
    } else {
        fprintf(run->text, "map %s (%s):\n", bpf_map__name(map), libbpf_bpf_map_type_str((enum bpf_map_type)kind));
    }
    const uint8_t *from = NULL;
    while (printer.key && printer.next && printer.value &&
           !bpf_map_get_next_key(bpf_map__fd(map), from, printer.next)) {
        memcpy(printer.key, printer.next, key_size);
        from = printer.key;
        if (bpf_map_lookup_elem(bpf_map__fd(map), printer.key, printer.value))
            continue;
        if (array && all_zero(printer.value, copies * size))
            printer.zeros++;
        else
            print_entry(&printer, size, copies);
    }
    if (run->json)
        fputc(']', run->text);
    else if (printer.zeros)
        fprintf(run->text, "  %s%" PRIu64 " entr%s zero\n", printer.shown ? "the other " : "", printer.zeros,
                printer.zeros == 1 ? "y is" : "ies are");
    else if (!printer.shown)
        fputs("  empty\n", run->text);
    free(printer.key);
    free(printer.next);
    free(printer.value);
}

static bool has_entries(const struct bpf_map *map)
{
    switch ((uint32_t)bpf_map__type(map)) {
    case BPF_MAP_TYPE_RINGBUF:
    case BPF_MAP_TYPE_USER_RINGBUF:
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
    case BPF_MAP_TYPE_BLOOM_FILTER:
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case BPF_MAP_TYPE_PROG_ARRAY: return false;
    default: return bpf_map__fd(map) >= 0 && !map->spec.frozen;
    }
}

static void print_results(struct run_state *run)
{
    struct bpf_map *map;
    bool first = true;
    const char *engine = run->prog->code->engine->name;
    if (!run->json && !run->prog->verified)
        fprintf(run->text, "program '%s' was not verified, it ran in the %s interpreter\n",
                bpf_program__name(run->program), engine);
    if (run->json) {
        fprintf(run->text,
                "],\"verified\":%s,\"engine\":\"%s\",\"packets\":%" PRIu64 ",\"cut\":%" PRIu64 ",\"too_short\":%" PRIu64
                ",\"faults\":%" PRIu64 ",\"verdicts\":{",
                run->prog->verified ? "true" : "false", engine, run->packets, run->cut, run->too_short, run->faults);
        for (int i = 0; i < 5; i++)
            fprintf(run->text, "%s\"%s\":%" PRIu64, i ? "," : "", verdict_names[i], run->verdicts[i]);
        fputs("},\"maps\":{", run->text);
    } else {
        fprintf(run->text, "%" PRIu64 " packets", run->packets);
        if (run->cut)
            fprintf(run->text, ", %" PRIu64 " of them cut short in the capture", run->cut);
        if (run->too_short)
            fprintf(run->text, ", %" PRIu64 " too short for Ethernet and not run", run->too_short);
        if (run->faults)
            fprintf(run->text, ", %" PRIu64 " stopped by a fault", run->faults);
        fputc('\n', run->text);
        for (int i = 0; i < 5; i++) {
            if (run->verdicts[i])
                fprintf(run->text, "  %-13s %" PRIu64 "\n", verdict_names[i], run->verdicts[i]);
        }
    }
    bpf_object__for_each_map(map, run->object)
    {
        if (!has_entries(map))
            continue;
        if (run->json && !first)
            fputc(',', run->text);
        first = false;
        print_map(run, map);
    }
    if (run->json)
        fputs("}}\n", run->text);
}

static bool is_standard(const char *path)
{
    return !strcmp(path, "-");
}

static int run_capture(struct run_state *run, struct stream *in)
{
    struct pcap_reader reader;
    FILE *out;
    if (!pcap_open(&reader, read_stream, in)) {
        cli_error("%s: %s", run->pcap_path, in->error ? strerror(in->error) : reader.error);
        return EXIT_UNREADABLE;
    }
    if (reader.link_type != PCAP_ETHERNET) {
        cli_error("%s: header: link type %u is not Ethernet (1)", run->pcap_path, reader.link_type);
        return EXIT_UNREADABLE;
    }
    int status = open_out(run, in->file, &out);
    if (status)
        return status;
    uint8_t *buffer = malloc(FRAME_BUFFER);
    if (!buffer) {
        cli_error("out of memory");
        return close_out(run, out, EXIT_REJECTED);
    }
    if (run->json)
        fputs("{\"events\":[", run->text);
    if (out && !pcap_write_header(out, reader.nanoseconds, PCAP_ETHERNET)) {
        cli_error("%s: %s", run->out_path, strerror(errno));
        status = EXIT_REJECTED;
    } else {
        status = run_packets(run, &reader, buffer, out);
    }
    status = close_out(run, out, status);
    pcap_close(&reader);
    free(buffer);
    print_results(run);
    return status ? status : run->faults ? EXIT_REJECTED : EXIT_OK;
}

static int with_files(struct run_state *run)
{
    struct stream in = {is_standard(run->pcap_path) ? stdin : fopen(run->pcap_path, "rb"), 0};
    if (!in.file) {
        cli_error("%s: %s", run->pcap_path, strerror(errno));
        return EXIT_UNREADABLE;
    }
    run->text = run->out_path && is_standard(run->out_path) ? stderr : stdout;
    if (in.file == stdin)
        setvbuf(stdout, NULL, run->text == stdout ? _IOLBF : _IOFBF, 1 << 16);
    int status = run_capture(run, &in);
    if (in.file != stdin)
        fclose(in.file);
    return status;
}

static int load_and_run(struct run_state *run)
{
    struct object *object;
    uint32_t flags;
    run->object = api_object_open(run->object_path, run->personality, NULL);
    if (!run->object)
        return EXIT_UNREADABLE;
    int status = choose(run);
    if (status)
        return status;
    if (bpf_object__load(run->object))
        return EXIT_REJECTED;
    for (int i = 0; i < run->set_count; i++) {
        if (!set_entry(run, run->sets[i]))
            return EXIT_USAGE;
    }
    struct client *client = client_process();
    if (client->ops->handle_get(client, bpf_program__fd(run->program), &object, &flags)) {
        cli_error("%s: program '%s' is gone", run->object_path, bpf_program__name(run->program));
        return EXIT_REJECTED;
    }
    run->prog = (struct prog *)object;
    if (!listen_to_rings(run)) {
        cli_error("%s: a ring buffer cannot be read: %s", run->object_path, strerror(errno));
        return EXIT_REJECTED;
    }
    return with_files(run);
}

int cli_run(int argc, char **argv)
{
    static struct run_state run;
    memset(&run, 0, sizeof run);
    if (!parse(argc, argv, &run))
        return EXIT_USAGE;
    if (run.unsafe && setenv("WINBPF_UNSAFE", "1", 1)) {
        cli_error("out of memory");
        return EXIT_REJECTED;
    }
    signal(SIGPIPE, SIG_IGN); /* a reader that leaves is an error of writing, and so is a file grown too large */
    signal(SIGXFSZ, SIG_IGN);
    libbpf_set_print(print_library);
    int status = load_and_run(&run);
    trace_set_sink(NULL, NULL);
    ring_buffer__free(run.rings);
    if (run.prog)
        object_put(&run.prog->object, REF_LOOKUP);
    bpf_object__close(run.object);
    return status;
}
