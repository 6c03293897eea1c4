/* SPDX-License-Identifier: MIT
 *
 * What the library is made with: errors, messages, options.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "api/local.h"
#include "bpf/bpf.h"
#include "platform/atomic.h"

int api_fail(int error)
{
    api_set_errno(error);
    return -error;
}

void *api_null(int error)
{
    api_set_errno(error);
    return NULL;
}

int api_result(enum result result)
{
    return result ? api_fail(api_errno(result)) : 0;
}

static int print_default(enum libbpf_print_level level, const char *format, va_list arguments)
{
    static enum libbpf_print_level most = LIBBPF_DEBUG + 1;
    if (most > LIBBPF_DEBUG) {
        const char *wanted = getenv("LIBBPF_LOG_LEVEL");
        most = !wanted                    ? LIBBPF_INFO
               : !strcmp(wanted, "warn")  ? LIBBPF_WARN
               : !strcmp(wanted, "debug") ? LIBBPF_DEBUG
                                          : LIBBPF_INFO;
    }
    return level > most ? 0 : vfprintf(stderr, format, arguments);
}

static libbpf_print_fn_t printer = print_default;

libbpf_print_fn_t libbpf_set_print(libbpf_print_fn_t fn)
{
    return os_exchange(&printer, fn);
}

void api_print(enum libbpf_print_level level, const char *format, ...)
{
    libbpf_print_fn_t to = os_load_acquire(&printer);
    if (!to)
        return;
    int before = errno;
    va_list arguments;
    va_start(arguments, format);
    to(level, format, arguments);
    va_end(arguments);
    errno = before;
}

bool api_opts_valid(const void *opts, size_t known)
{
    size_t size;
    if (!opts)
        return true;
    memcpy(&size, opts, sizeof size);
    if (size < sizeof(size_t)) {
        api_warn("an option structure says it has %zu bytes, less than its size field\n", size);
        return false;
    }
    for (size_t i = known; i < size; i++) {
        if (((const char *)opts)[i]) {
            api_warn("an option structure has a field that this version does not know\n");
            return false;
        }
    }
    return true;
}

void api_name_copy(char out[BPF_OBJ_NAME_LEN], const char *name)
{
    memset(out, 0, BPF_OBJ_NAME_LEN);
    for (size_t i = 0; name && name[i] && i < BPF_OBJ_NAME_LEN - 1; i++)
        out[i] = name[i];
}

__u32 libbpf_major_version(void)
{
    return LIBBPF_MAJOR_VERSION;
}

__u32 libbpf_minor_version(void)
{
    return LIBBPF_MINOR_VERSION;
}

const char *libbpf_version_string(void)
{
#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
    return "v" TEXT(LIBBPF_MAJOR_VERSION) "." TEXT(LIBBPF_MINOR_VERSION);
}

int libbpf_num_possible_cpus(void)
{
    return (int)api_cpu_count();
}

int libbpf_set_strict_mode(enum libbpf_strict_mode mode)
{
    return 0;
}

int libbpf_set_memlock_rlim(size_t memlock_bytes)
{
    return 0;
}

long libbpf_get_error(const void *ptr)
{
    if (!ptr)
        return -errno;
    return (uintptr_t)ptr >= (uintptr_t)-4095 ? (long)(intptr_t)ptr : 0;
}

static const char *const own_errors[] = {
    "ELF could not be read",
    "BPF object format invalid",
    "'version' section incorrect or lost",
    "object's byte order is another machine's",
    "internal error",
    "relocation failed",
    "program could not be loaded",
    "program was rejected",
    "program too long",
    "kernel version does not match the program's",
    "program type not supported",
    "netlink: another process's message",
    "netlink: message out of sequence",
    "netlink: message malformed",
};

int libbpf_strerror(int err, char *buf, size_t size)
{
    char text[128];
    int known = 0;
    err = err < 0 ? -err : err;
    if (!buf || !size)
        return api_fail(EINVAL);
    if (err < __LIBBPF_ERRNO__START) {
        snprintf(text, sizeof text, "%s", api_strerror(err));
    } else if (err < __LIBBPF_ERRNO__END) {
        snprintf(text, sizeof text, "%s", own_errors[err - __LIBBPF_ERRNO__START]);
    } else {
        snprintf(text, sizeof text, "Unknown libbpf error %d", err);
        known = -ENOENT;
    }
    size_t length = strlen(text);
    snprintf(buf, size, "%s", text);
    if (known)
        return api_fail(ENOENT);
    return length >= size ? api_fail(ERANGE) : 0;
}
