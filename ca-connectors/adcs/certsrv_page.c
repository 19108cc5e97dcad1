/* certsrv_page.c - what stands in a page of ADCS's web enrolment
 * SPDX-License-Identifier: Apache-2.0
 */
#include "certsrv_page.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* In the text, where a definition begins and where it ends. */
#define DEFINITION '\1'
#define DEFINED '\2'

typedef struct {
    const char *id;
    const char *at; /**< in the text */
} mark_t;

typedef struct {
    const char *at, *end;
    char *text, *to;
    apr_array_header_t *marks;
    apr_pool_t *p;
} reader_t;

/* ------------------------------------------------------------------ */
/* Reading                                                              */

static void put(reader_t *reader, char c)
{
    if (c != DEFINITION && c != DEFINED && (apr_isspace(c) || apr_iscntrl(c)))
        c = ' ';
    if (c != ' ' || (reader->to > reader->text && reader->to[-1] != ' '))
        *reader->to++ = c;
}

/* Where a word begins, whatever its case, or the end. */
static const char *find(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);

    for (; (size_t)(end - at) >= len; at++)
        if (!strncasecmp(at, word, len))
            return at;
    return end;
}

/* The value of the attribute id of a tag, or NULL. */
static const char *id_of(const char *tag, const char *end, apr_pool_t *p)
{
    const char *at = tag, *from;

    do {
        at = find(at + 1, end, "id=");
    } while (at < end && !apr_isspace(at[-1]));
    if (at == end)
        return NULL;
    at += 3;
    if (at < end && (*at == '"' || *at == '\''))
        at++;
    for (from = at; at < end && apr_isalnum(*at); at++)
        ;
    return apr_pstrmemdup(p, from, (apr_size_t)(at - from));
}

static int is_named(const char *name, size_t len, const char *wanted)
{
    return len == strlen(wanted) && !strncasecmp(name, wanted, len);
}

/* What no one sees. */
static void skip_content(reader_t *reader, const char *name, size_t len)
{
    static const char *const hidden[] = { "script", "style", "title" };

    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
        if (is_named(name, len, hidden[i]))
            reader->at = find(reader->at, reader->end,
                              apr_pstrcat(reader->p, "</", hidden[i], NULL));
}

static void read_tag(reader_t *reader)
{
    const char *name = reader->at + 1, *end = name, *close, *id;
    size_t len;

    if (name < reader->end && *name == '/')
        end = ++name;
    while (end < reader->end && apr_isalpha(*end))
        end++;
    len = (size_t)(end - name);
    close = memchr(reader->at, '>', (size_t)(reader->end - reader->at));
    if (!close)
        close = reader->end;
    id = id_of(reader->at, close, reader->p);
    reader->at = close < reader->end ? close + 1 : close;
    put(reader, ' ');
    if (id) {
        mark_t *mark = apr_array_push(reader->marks);

        mark->id = id;
        mark->at = reader->to;
    }
    if (is_named(name, len, "dd"))
        put(reader, name[-1] == '/' ? DEFINED : DEFINITION);
    else if (is_named(name, len, "dt"))
        put(reader, DEFINED);
    if (name[-1] != '/')
        skip_content(reader, name, len);
}

/* Only what the pages need; the others are letters. */
static void read_entity(reader_t *reader)
{
    static const struct {
        const char *name;
        char c;
    } known[] = { { "&nbsp;", ' ' }, { "&amp;", '&' }, { "&quot;", '"' },
                  { "&#39;", '\'' }, { "&lt;", '<' },  { "&gt;", '>' } };
    size_t left = (size_t)(reader->end - reader->at), len = 1;

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (left >= strlen(known[i].name) &&
            !strncasecmp(reader->at, known[i].name, strlen(known[i].name))) {
            put(reader, known[i].c);
            reader->at += strlen(known[i].name);
            return;
        }
    while (len < left && len < 10 &&
           (apr_isalnum(reader->at[len]) || reader->at[len] == '#'))
        len++;
    if (len > 1 && len < left && reader->at[len] == ';') {
        put(reader, '?');
        reader->at += len + 1;
    } else {
        put(reader, *reader->at++);
    }
}

static void skip_comment(reader_t *reader)
{
    const char *close = find(reader->at, reader->end, "-->");

    put(reader, ' ');
    reader->at = close < reader->end ? close + 3 : close;
}

scep_certsrv_page_t *scep_certsrv_page_read(const char *body, apr_size_t len,
                                            apr_pool_t *p)
{
    scep_certsrv_page_t *page = apr_palloc(p, sizeof(*page));
    /* a tag may become two characters, and "<" may end the page */
    char *text = apr_palloc(p, len + 3);
    reader_t reader = { .at = body,
                        .end = body + len,
                        .text = text,
                        .to = text,
                        .marks = apr_array_make(p, 16, sizeof(mark_t)),
                        .p = p };

    while (reader.at < reader.end) {
        char c = *reader.at;
        char next = reader.at + 1 < reader.end ? reader.at[1] : '\0';

        if (reader.end - reader.at >= 4 && !memcmp(reader.at, "<!--", 4))
            skip_comment(&reader);
        else if (c == '<' && (apr_isalpha(next) || next == '/' || next == '!'))
            read_tag(&reader);
        else if (c == '&')
            read_entity(&reader);
        else {
            put(&reader, c == DEFINITION || c == DEFINED ? ' ' : c);
            reader.at++;
        }
    }
    *reader.to = '\0';
    page->marks = reader.marks;
    page->text = text;
    for (int i = 0; i < page->marks->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(page->marks, i, mark_t).id, "locPageTitle"))
            page->text = APR_ARRAY_IDX(page->marks, i, mark_t).at;
    return page;
}

const char *scep_certsrv_page_value(const scep_certsrv_page_t *page,
                                    const char *id, apr_pool_t *p)
{
    for (int i = 0; i < page->marks->nelts; i++) {
        const mark_t *mark = &APR_ARRAY_IDX(page->marks, i, mark_t);
        const char *from;
        size_t len;

        if (strcmp(mark->id, id))
            continue;
        from = strchr(mark->at, DEFINITION);
        if (!from)
            break;
        from += 1 + strspn(from + 1, " ");
        len = strcspn(from, "\1\2");
        while (len && from[len - 1] == ' ')
            len--;
        return apr_pstrmemdup(p, from, len);
    }
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Numbers and texts                                                    */

apr_uint32_t scep_certsrv_page_hresult(const char *text)
{
    const char *at = text;

    while ((at = strpbrk(at, "xX"))) {
        size_t len = strspn(at + 1, "0123456789abcdefABCDEF");

        if (at > text && at[-1] == '0' && len == 8 && at[1] == '8')
            return (apr_uint32_t)strtoul(at + 1, NULL, 16);
        at++;
    }
    return 0;
}

/* A number that is part of a name, a date or a version is no id. */
static int stands_alone(const char *text, const char *at, size_t len)
{
    char before = at > text ? at[-1] : ' ', after = at[len];

    if (apr_isalnum(before) || apr_isalnum(after) ||
        strchr("_.:,/-#", before) || (after && strchr("_:/-", after)))
        return 0;
    /* "0x800706ba (WIN32: 1722 ...)" */
    if ((at - text >= 7 && !memcmp(at - 7, "WIN32: ", 7)) ||
        (at - text >= 6 && !memcmp(at - 6, "HTTP: ", 6)))
        return 0;
    return !(after && strchr(".,", after) && apr_isdigit(at[len + 1]));
}

int scep_certsrv_page_numbers(const char *text, apr_uint32_t *ids)
{
    const char *at = text;
    int n = 0;

    while (n < SCEP_CERTSRV_IDS_MAX && (at = strpbrk(at, "0123456789"))) {
        size_t len = strspn(at, "0123456789");
        apr_int64_t value = len <= 10 && *at != '0' ? apr_atoi64(at) : 0;

        if (value > 0 && value <= APR_INT32_MAX && stands_alone(text, at, len))
            ids[n++] = (apr_uint32_t)value;
        at += len;
    }
    return n;
}

/* How long the UTF-8 character is that begins there; 0: it is none. */
static size_t character(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = at[0] < 0x80                    ? 1
                 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                 : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                 : 0;

    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

const char *scep_certsrv_page_tidy(const char *text, apr_pool_t *p)
{
    char *out = apr_palloc(p, SCEP_CERTSRV_TEXT_MAX + 1);
    size_t n = 0;

    text += strspn(text, " \1\2");
    while (*text) {
        size_t len = character(text);

        if (n + (len ? len : 1) > SCEP_CERTSRV_TEXT_MAX)
            break;
        if (len)
            memcpy(out + n, text, len);
        else
            out[n] = '?';
        if (apr_iscntrl(out[n]))
            out[n] = ' ';
        n += len ? len : 1;
        text += len ? len : 1;
    }
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return out;
}
