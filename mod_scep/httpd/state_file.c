/* state_file.c - files that are whole or not there, and keys in such files
 * SPDX-License-Identifier: Apache-2.0
 */
#include "state_file.h"

#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

apr_status_t mod_scep_state_file_failed(server_rec *s, const char *what,
                                        const char *path)
{
    apr_status_t rv = errno;

    ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                 SCEPLOGNO(0200) "challenge store: cannot %s %s", what, path);
    return rv;
}

const char *mod_scep_state_file_temporary(const char *path, apr_pool_t *p)
{
    const char *name = apr_psprintf(p, "%s.%ld", path, (long)getpid());

    /* a former process of this number may have died over it */
    unlink(name);
    return name;
}

int mod_scep_state_file_sync(const char *path, apr_pool_t *p)
{
    const char *slash = strrchr(path, '/');
    const char *dir = slash ? apr_pstrmemdup(p, path, slash - path + 1) : ".";
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

apr_status_t mod_scep_state_key_make(const char *path, server_rec *s,
                                     apr_pool_t *p)
{
    const char *name = mod_scep_state_file_temporary(path, p);
    unsigned char key[SCEP_TABLE_KEY_LEN];
    apr_status_t rv = APR_SUCCESS;
    int fd;

    if (RAND_bytes(key, sizeof(key)) != 1) {
        ERR_clear_error();
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     SCEPLOGNO(0201) "challenge store: OpenSSL has no random "
                                     "numbers for %s",
                     path);
        return APR_EGENERAL;
    }
    fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return mod_scep_state_file_failed(s, "create", name);
    /* Not renamed: of two servers that start at once, the first one's key
     * is the key. */
    if (write(fd, key, sizeof(key)) != sizeof(key) || fsync(fd) != 0 ||
        (link(name, path) != 0 && errno != EEXIST) ||
        !mod_scep_state_file_sync(path, p))
        rv = mod_scep_state_file_failed(s, "write", path);
    close(fd);
    unlink(name);
    OPENSSL_cleanse(key, sizeof(key));
    return rv;
}

apr_status_t mod_scep_state_key_load(unsigned char key[SCEP_TABLE_KEY_LEN],
                                     const char *path, server_rec *s)
{
    unsigned char more;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return errno == ENOENT ? APR_ENOENT
                               : mod_scep_state_file_failed(s, "open", path);
    }
    if (read(fd, key, SCEP_TABLE_KEY_LEN) != SCEP_TABLE_KEY_LEN ||
        read(fd, &more, 1) != 0) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     SCEPLOGNO(0203) "challenge store: %s is not a key of %d "
                                     "octets; put the key back, or remove it "
                                     "and what it is the key of: the "
                                     "challenges are lost",
                     path, SCEP_TABLE_KEY_LEN);
        close(fd);
        return APR_EINVAL;
    }
    if (fstat(fd, &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO))) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0204) "challenge store: others may read the "
                                     "key %s; chmod 600 it",
                     path);
    }
    close(fd);
    return APR_SUCCESS;
}
