/* SPDX-License-Identifier: MIT
 *
 * One pass over the format.  What a specifier means is reassembled for text_format with a width that is bounded; what a
 * pointer argument points at is read by os_probe_read, because the argument may be any number.
 */
#include "helpers/format.h"
#include <string.h>
#include "platform/os.h"

enum { WIDTH_MOST = 1024, STRING_MOST = 512 };

static bool printable(char c)
{
    return (c >= 0x20 && c < 0x7f) || (c >= '\t' && c <= '\r');
}

static bool ends_pointer(char c)
{
    return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

/* A program's text, or what Linux prints where there is none. */
static void put_string(struct text *out, uint64_t address, uint32_t width, bool left)
{
    char text[STRING_MOST];
    size_t length = 0;
    while (length < sizeof text - 1 && os_probe_read(&text[length], address + length, 1) && text[length])
        length++;
    text[length] = 0;
    const char *shown = length || os_probe_read(text, address, 1) ? text : "(null)";
    text_format(out, left ? "%-*s" : "%*s", (int)width, shown);
}

static void put_ip(struct text *out, uint64_t address, char form, char version)
{
    uint8_t bytes[16] = {0};
    os_probe_read(bytes, address, version == '4' ? 4 : 16);
    if (version == '4') {
        text_format(out, form == 'I' ? "%u.%u.%u.%u" : "%03u.%03u.%03u.%03u", bytes[0], bytes[1], bytes[2], bytes[3]);
        return;
    }
    for (unsigned i = 0; i < 16; i += 2)
        text_format(out, form == 'I' && i ? ":%02x%02x" : "%02x%02x", bytes[i], bytes[i + 1]);
}

/* Tells pointers apart without showing them. */
static uint64_t disguise(uint64_t pointer)
{
    static uint64_t secret;
    uint64_t known = os_load(&secret);
    if (!known) {
        os_random(&known, sizeof known);
        known |= 1;
        os_store(&secret, known);
    }
    return pointer ? ((pointer ^ known >> 7) * known) >> 32 : 0;
}

static void put_pointer(struct text *out, uint64_t value, char form)
{
    text_format(out, "%016llx", (unsigned long long)(form == 'x' ? value : disguise(value)));
}

enum result format_write(struct text *out, const char *format, uint64_t size, const uint64_t *arguments, uint32_t count)
{
    if (!size || !memchr(format, 0, (size_t)size))
        return RESULT_INVALID;
    for (uint32_t used = 0; *format; format++) {
        if (!printable(*format))
            return RESULT_INVALID;
        if (*format != '%') {
            text_char(out, *format);
            continue;
        }
        if (*++format == '%') {
            text_char(out, '%');
            continue;
        }
        if (used >= count)
            return RESULT_INVALID;

        char spec[16] = "%";
        unsigned length = 1;
        bool left = false;
        uint32_t width = 0;
        for (; *format == '0' || *format == '+' || *format == '-' || *format == ' '; format++) {
            left |= *format == '-';
            if (length < 6 && !memchr(spec, *format, length))
                spec[length++] = *format;
        }
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (uint32_t)(*format - '0') < WIDTH_MOST ? width * 10 + (uint32_t)(*format - '0')
                                                                        : WIDTH_MOST;
        uint64_t value = arguments[used++];
        if (*format == 'p') {
            char form = format[1];
            if ((form == 'k' || form == 'u') && format[2] == 's') {
                put_string(out, value, width, left);
                format += 2;
            } else if ((form == 'i' || form == 'I') && (format[2] == '4' || format[2] == '6')) {
                put_ip(out, value, form, format[2]);
                format += 2;
            } else if (form && strchr("KxsSB", form)) {
                put_pointer(out, value, form);
                format++;
            } else if (ends_pointer(form)) {
                put_pointer(out, value, 0);
            } else {
                return RESULT_INVALID;
            }
            continue;
        }
        if (*format == 's') {
            put_string(out, value, width, left);
            continue;
        }
        if (*format == 'c') {
            const char one[2] = {(char)value, 0};
            text_format(out, left ? "%-*s" : "%*s", (int)width, one);
            continue;
        }
        bool wide = *format == 'l';
        if (wide)
            format += format[1] == 'l' ? 2 : 1;
        if (!*format || !strchr("diuxX", *format))
            return RESULT_INVALID;
        if (!wide)
            value = *format == 'd' || *format == 'i' ? (uint64_t)(int64_t)(int32_t)value : (uint32_t)value;
        memcpy(spec + length, "*ll", 3);
        spec[length + 3] = *format;
        spec[length + 4] = 0;
        text_format(out, spec, (int)width, (unsigned long long)value);
    }
    return RESULT_OK;
}
