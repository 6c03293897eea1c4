/* SPDX-License-Identifier: MIT
 *
 * The bounded formatter: one pass over the format; a number is built backwards in a small buffer and then padded.
 */
#include <stdint.h>
#include <string.h>
#include "base/text.h"

void text_init(struct text *text, char *buffer, size_t capacity)
{
    text->buffer = buffer;
    text->capacity = capacity;
    text->length = 0;
    if (capacity)
        buffer[0] = 0;
}

void text_char(struct text *text, char c)
{
    if (text->length + 1 < text->capacity) {
        text->buffer[text->length] = c;
        text->buffer[text->length + 1] = 0;
    }
    text->length++;
}

void text_string(struct text *text, const char *string)
{
    while (*string)
        text_char(text, *string++);
}

struct spec {
    bool left, zero, plus, space, alternate, has_precision;
    int width, precision;
    char size; /* 0, 'h', 'H' (hh), 'l', 'L' (ll, j, z) */
};

static void pad(struct text *text, char with, int count)
{
    while (count-- > 0)
        text_char(text, with);
}

static void put_string(struct text *text, const struct spec *spec, const char *string)
{
    int length = 0;
    if (!string)
        string = "(null)";
    while ((!spec->has_precision || length < spec->precision) && string[length])
        length++;
    if (!spec->left)
        pad(text, ' ', spec->width - length);
    for (int i = 0; i < length; i++)
        text_char(text, string[i]);
    if (spec->left)
        pad(text, ' ', spec->width - length);
}

static void put_number(struct text *text, const struct spec *spec, uint64_t value, bool negative, unsigned base,
                       bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char reversed[24], prefix[3];
    int count = 0, prefixes = 0;
    bool nonzero = value != 0;
    do
        reversed[count++] = digits[value % base];
    while (value /= base);
    if (spec->has_precision && spec->precision == 0 && !nonzero)
        count = 0;
    if (negative)
        prefix[prefixes++] = '-';
    else if (spec->plus)
        prefix[prefixes++] = '+';
    else if (spec->space)
        prefix[prefixes++] = ' ';
    if (spec->alternate && base == 16 && nonzero) {
        prefix[prefixes++] = '0';
        prefix[prefixes++] = upper ? 'X' : 'x';
    }
    int zeros = spec->has_precision && spec->precision > count ? spec->precision - count : 0;
    int room = spec->width - prefixes - zeros - count;
    if (spec->zero && !spec->left && !spec->has_precision && room > 0) {
        zeros += room;
        room = 0;
    }
    if (!spec->left)
        pad(text, ' ', room);
    for (int i = 0; i < prefixes; i++)
        text_char(text, prefix[i]);
    pad(text, '0', zeros);
    while (count)
        text_char(text, reversed[--count]);
    if (spec->left)
        pad(text, ' ', room);
}

static int64_t signed_argument(const struct spec *spec, va_list *arguments)
{
    switch (spec->size) {
    case 'l': return va_arg(*arguments, long);
    case 'L': return va_arg(*arguments, long long);
    case 'h': return (short)va_arg(*arguments, int);
    case 'H': return (signed char)va_arg(*arguments, int);
    default: return va_arg(*arguments, int);
    }
}

static uint64_t unsigned_argument(const struct spec *spec, va_list *arguments)
{
    switch (spec->size) {
    case 'l': return va_arg(*arguments, unsigned long);
    case 'L': return va_arg(*arguments, unsigned long long);
    case 'z': return va_arg(*arguments, size_t);
    case 'h': return (unsigned short)va_arg(*arguments, int);
    case 'H': return (unsigned char)va_arg(*arguments, int);
    default: return va_arg(*arguments, unsigned);
    }
}

static int number(const char **format, va_list *arguments)
{
    int value = 0;
    if (**format == '*') {
        (*format)++;
        return va_arg(*arguments, int);
    }
    while (**format >= '0' && **format <= '9' && value < 100000)
        value = value * 10 + (*(*format)++ - '0');
    return value;
}

void text_vformat(struct text *text, const char *format, va_list arguments)
{
    va_list list;
    va_copy(list, arguments);
    for (; *format; format++) {
        if (*format != '%') {
            text_char(text, *format);
            continue;
        }
        struct spec spec = {0};
        for (format++;; format++) {
            if (*format == '-')
                spec.left = true;
            else if (*format == '0')
                spec.zero = true;
            else if (*format == '+')
                spec.plus = true;
            else if (*format == ' ')
                spec.space = true;
            else if (*format == '#')
                spec.alternate = true;
            else
                break;
        }
        spec.width = number(&format, &list);
        if (spec.width < 0) {
            spec.left = true;
            spec.width = -spec.width;
        }
        if (*format == '.') {
            format++;
            spec.precision = number(&format, &list);
            spec.has_precision = spec.precision >= 0;
        }
        for (;; format++) {
            if (*format == 'h')
                spec.size = spec.size == 'h' ? 'H' : 'h';
            else if (*format == 'l')
                spec.size = spec.size == 'l' ? 'L' : 'l';
            else if (*format == 'j')
                spec.size = 'L';
            else if (*format == 'z')
                spec.size = 'z';
            else
                break;
        }
        switch (*format) {
        case 'd':
        case 'i': {
            int64_t value = signed_argument(&spec, &list);
            put_number(text, &spec, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0, 10, false);
            break;
        }
        case 'u':
            spec.plus = spec.space = false;
            put_number(text, &spec, unsigned_argument(&spec, &list), false, 10, false);
            break;
        case 'x':
        case 'X':
            spec.plus = spec.space = false;
            put_number(text, &spec, unsigned_argument(&spec, &list), false, 16, *format == 'X');
            break;
        case 'c': text_char(text, (char)va_arg(list, int)); break;
        case 's': put_string(text, &spec, va_arg(list, const char *)); break;
        case 'p':
            spec.alternate = true;
            put_number(text, &spec, (uintptr_t)va_arg(list, void *), false, 16, false);
            break;
        case '%': text_char(text, '%'); break;
        default: /* an unknown conversion is shown as it stands: its argument's size is unknown, so stop here */
            text_string(text, "%?");
            va_end(list);
            return;
        }
    }
    va_end(list);
}

void text_format(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_vformat(text, format, arguments);
    va_end(arguments);
}
