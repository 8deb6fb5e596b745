/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * Sealed files from file to file with several threads: one segment of memory per thread, whatever the file's size.
 *
 * Threads claim segments in order. Encryption and reading run in parallel; the digest of the sealed bytes has to
 * see them in order, so a thread waits for its turn there. The calling thread only watches: it reports progress,
 * lets Python handle signals and stops the others when one of them failed.
 */

#define THREADS_MAX 16
#define WATCH_INTERVAL_NS 100000000L

struct file_job {
    const struct cella_sealed_parameters *parameters;
    const struct cella_secret *key;
    struct cella_view associated_data;
    struct cella_sealed_layout layout;
    uint8_t header[CELLA_SEALED_HEADER_MAX];
    int source;
    int target;
    bool sealing;
    bool wants_digest;
    struct cella_sha256_stream *digest; /* NULL when none is wanted: it is what bounds the speed */

    pthread_mutex_t lock;  /* guards what follows */
    pthread_cond_t turned; /* hashed moved on, or the job stopped */
    pthread_cond_t moved;  /* for the watching thread */
    uint64_t next;         /* first segment that nobody has claimed */
    uint64_t hashed;       /* segments that are in the digest */
    uint64_t done_bytes;   /* plaintext bytes that are finished */
    unsigned int running;
    bool stop;
    cella_status status;
    int error_number; /* errno behind CELLA_SYSTEM_FAILED */
};

/* Read or write exactly size bytes at offset. */
static cella_status read_at(int descriptor, uint8_t *data, size_t size, uint64_t offset, int *error_number)
{
    while (size > 0) {
        ssize_t count = pread(descriptor, data, size, (off_t) offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            *error_number = errno;
            return CELLA_SYSTEM_FAILED;
        }
        if (count == 0) {
            return CELLA_TRUNCATED; /* the file became shorter while it was read */
        }
        data += count;
        size -= (size_t) count;
        offset += (uint64_t) count;
    }
    return CELLA_OK;
}

static cella_status write_at(int descriptor, const uint8_t *data, size_t size, uint64_t offset, int *error_number)
{
    while (size > 0) {
        ssize_t count = pwrite(descriptor, data, size, (off_t) offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            *error_number = errno;
            return CELLA_SYSTEM_FAILED;
        }
        data += count;
        size -= (size_t) count;
        offset += (uint64_t) count;
    }
    return CELLA_OK;
}

/* Put the sealed bytes of segment index into the digest, if one is wanted, when it is their turn. */
static cella_status hash_in_turn(struct file_job *job, uint64_t index, struct cella_view sealed)
{
    if (job->digest == NULL) {
        return CELLA_OK;
    }
    pthread_mutex_lock(&job->lock);
    while (job->hashed != index && !job->stop) {
        pthread_cond_wait(&job->turned, &job->lock);
    }
    bool stopped = job->stop;
    pthread_mutex_unlock(&job->lock);
    if (stopped) {
        return CELLA_CANCELLED;
    }
    CELLA_TRY(cella_sha256_stream_update(job->digest, sealed));
    pthread_mutex_lock(&job->lock);
    job->hashed = index + 1;
    pthread_cond_broadcast(&job->turned);
    pthread_mutex_unlock(&job->lock);
    return CELLA_OK;
}

static cella_status move_segment(struct file_job *job, struct cella_sealed_cipher *cipher, uint64_t index,
                                 uint8_t *buffer, int *error_number)
{
    struct cella_sealed_range range = cella_sealed_range_of(job->parameters, &job->layout, index);
    bool last = index + 1 == job->layout.segment_count;
    if (job->sealing) {
        CELLA_TRY(read_at(job->source, buffer, range.plain_size, range.plain_offset, error_number));
        CELLA_TRY(cella_sealed_segment_seal(cipher, index, last, cella_view_of(buffer, range.plain_size), buffer));
        CELLA_TRY(write_at(job->target, buffer, range.sealed_size, range.sealed_offset, error_number));
        return hash_in_turn(job, index, cella_view_of(buffer, range.sealed_size));
    }
    CELLA_TRY(read_at(job->source, buffer, range.sealed_size, range.sealed_offset, error_number));
    CELLA_TRY(hash_in_turn(job, index, cella_view_of(buffer, range.sealed_size)));
    CELLA_TRY(cella_sealed_segment_open(cipher, index, last, cella_view_of(buffer, range.sealed_size), buffer));
    return write_at(job->target, buffer, range.plain_size, range.plain_offset, error_number);
}

/* Next unclaimed segment, or false when there is none or the job stopped. */
static bool claim(struct file_job *job, uint64_t *index)
{
    pthread_mutex_lock(&job->lock);
    bool more = !job->stop && job->next < job->layout.segment_count;
    *index = job->next;
    if (more) {
        job->next++;
    }
    pthread_mutex_unlock(&job->lock);
    return more;
}

/* Account for a segment; the first failure stops everybody. */
static void account(struct file_job *job, cella_status status, int error_number, uint64_t bytes)
{
    pthread_mutex_lock(&job->lock);
    if (status == CELLA_OK) {
        job->done_bytes += bytes;
    } else if (!job->stop) {
        job->stop = true;
        job->status = status;
        job->error_number = error_number;
        pthread_cond_broadcast(&job->turned);
    }
    pthread_mutex_unlock(&job->lock);
}

static void *work(void *argument)
{
    struct file_job *job = argument;
    CELLA_CLEANUP(cella_sealed_cipher_cleanup) struct cella_sealed_cipher *cipher = NULL;
    uint8_t *buffer = malloc(job->parameters->segment_size);
    cella_status status =
        buffer == NULL
            ? CELLA_NO_MEMORY
            : cella_sealed_cipher_of_header(job->parameters, job->key, job->associated_data,
                                            cella_view_of(job->header, job->layout.header_size), &cipher);
    if (status != CELLA_OK) {
        account(job, status, 0, 0);
    }
    uint64_t index = 0;
    while (status == CELLA_OK && claim(job, &index)) {
        int error_number = 0;
        status = move_segment(job, cipher, index, buffer, &error_number);
        account(job, status, error_number, cella_sealed_range_of(job->parameters, &job->layout, index).plain_size);
    }
    if (buffer != NULL) {
        cella_wipe(buffer, job->parameters->segment_size);
        free(buffer);
    }
    pthread_mutex_lock(&job->lock);
    job->running--;
    pthread_cond_signal(&job->moved);
    pthread_mutex_unlock(&job->lock);
    return NULL;
}

/* Start up to count threads with all signals blocked; how many run is the result. */
static unsigned int start_threads(struct file_job *job, unsigned int count, pthread_t *threads)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    unsigned int started = 0;
    pthread_mutex_lock(&job->lock);
    while (started < count && pthread_create(&threads[started], NULL, work, job) == 0) {
        started++;
    }
    job->running = started;
    if (started == 0) {
        job->status = CELLA_NO_MEMORY;
    }
    pthread_mutex_unlock(&job->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* Wait until a thread ends or some time has passed. True while threads run. */
static bool wait_some_time(struct file_job *job, uint64_t *done_bytes)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WATCH_INTERVAL_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&job->lock);
    int waited = 0;
    while (job->running > 0 && waited == 0) {
        waited = pthread_cond_timedwait(&job->moved, &job->lock, &until);
    }
    bool running = job->running > 0;
    *done_bytes = job->done_bytes;
    pthread_mutex_unlock(&job->lock);
    return running;
}

/* With the GIL: let Python see signals and progress. -1 when the job shall stop with the exception that is set. */
static int report(PyObject *progress, uint64_t done_bytes, uint64_t total_bytes)
{
    if (PyErr_CheckSignals() < 0) {
        return -1;
    }
    if (progress == Py_None) {
        return 0;
    }
    PyObject *result =
        PyObject_CallFunction(progress, "KK", (unsigned long long) done_bytes, (unsigned long long) total_bytes);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static void stop_job(struct file_job *job)
{
    pthread_mutex_lock(&job->lock);
    job->stop = true;
    pthread_cond_broadcast(&job->turned);
    pthread_mutex_unlock(&job->lock);
}

/* Run the threads to their end. 0, or -1 with an exception that Python code raised. */
static int run_threads(struct file_job *job, unsigned int count, PyObject *progress)
{
    pthread_t threads[THREADS_MAX];
    unsigned int started = start_threads(job, count, threads);
    int result = 0;
    bool running = started > 0;
    while (running) {
        uint64_t done_bytes = 0;
        Py_BEGIN_ALLOW_THREADS running = wait_some_time(job, &done_bytes);
        Py_END_ALLOW_THREADS if (result == 0 && report(progress, done_bytes, job->layout.plain_size) < 0)
        {
            result = -1;
            stop_job(job);
        }
    }
    for (unsigned int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    return result;
}

/* Header: made and written, or read. It is the first thing in the digest. */
static cella_status prepare(struct file_job *job, int *error_number)
{
    struct stat information;
    if (fstat(job->source, &information) < 0) {
        *error_number = errno;
        return CELLA_SYSTEM_FAILED;
    }
    if (!S_ISREG(information.st_mode)) {
        *error_number = ESPIPE;
        return CELLA_SYSTEM_FAILED;
    }
    uint64_t size = (uint64_t) information.st_size;
    job->digest = job->wants_digest ? cella_sha256_stream_new() : NULL;
    if (job->digest == NULL && job->wants_digest) {
        return CELLA_NO_MEMORY;
    }
    if (job->sealing) {
        CELLA_CLEANUP(cella_sealed_cipher_cleanup) struct cella_sealed_cipher *cipher = NULL;
        CELLA_TRY(cella_sealed_layout_of_plain(job->parameters, size, &job->layout));
        CELLA_TRY(cella_sealed_cipher_new(job->parameters, job->key, job->associated_data, job->header, &cipher));
        CELLA_TRY(write_at(job->target, job->header, job->layout.header_size, 0, error_number));
    } else {
        CELLA_TRY(cella_sealed_layout_of_sealed(job->parameters, size, &job->layout));
        CELLA_TRY(read_at(job->source, job->header, job->layout.header_size, 0, error_number));
    }
    return job->digest == NULL
               ? CELLA_OK
               : cella_sha256_stream_update(job->digest, cella_view_of(job->header, job->layout.header_size));
}

static int init_locks(struct file_job *job)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return -1;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(&job->moved, &attributes) | pthread_cond_init(&job->turned, NULL) |
                 pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_destroy(&attributes);
    return failed;
}

static PyObject *raise_job(const struct native_state *state, cella_status status, int error_number)
{
    if (status == CELLA_SYSTEM_FAILED && error_number != 0) {
        errno = error_number;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return native_raise(state, status, NULL, NULL);
}

static PyObject *run_job(const struct native_state *state, struct file_job *job, unsigned int threads,
                         PyObject *progress)
{
    int error_number = 0;
    cella_status status;
    Py_BEGIN_ALLOW_THREADS status = prepare(job, &error_number);
    Py_END_ALLOW_THREADS if (status != CELLA_OK)
    {
        return raise_job(state, status, error_number);
    }
    if (threads > job->layout.segment_count) {
        threads = (unsigned int) job->layout.segment_count;
    }
    if (run_threads(job, threads, progress) < 0) {
        return NULL;
    }
    if (job->status != CELLA_OK) {
        return raise_job(state, job->status, job->error_number);
    }
    uint8_t digest[CELLA_SHA256_SIZE];
    status = job->digest == NULL ? CELLA_OK : cella_sha256_stream_finish(job->digest, digest);
    if (status != CELLA_OK) {
        return native_raise(state, status, NULL, NULL);
    }
    return Py_BuildValue("(KKy#)", (unsigned long long) job->layout.plain_size,
                         (unsigned long long) job->layout.sealed_size, (const char *) digest,
                         job->digest == NULL ? 0 : (Py_ssize_t) sizeof digest);
}

static PyObject *file_to_file(PyObject *module, PyObject *arguments, PyObject *keywords, bool sealing)
{
    static char *names[] = { "key", "associated_data", "source", "target", "segment", "threads", "progress", "digest", NULL };
    PyObject *key = NULL;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer associated_data = { 0 };
    const char *segment = "1MB";
    int threads = 0;
    PyObject *progress = Py_None;
    int wants_digest = 1;
    struct file_job job = { .sealing = sealing };
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Oy*ii|siOp", names, &key, &associated_data, &job.source,
                                     &job.target, &segment, &threads, &progress, &wants_digest)) {
        return NULL;
    }
    job.wants_digest = wants_digest != 0;
    const struct native_state *state = native_state_of(module);
    job.key = native_secret_of(state, key);
    job.parameters = job.key == NULL ? NULL : native_parameters(state, segment);
    if (job.parameters == NULL) {
        return NULL;
    }
    job.associated_data = native_view(&associated_data);
    if (threads <= 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        threads = processors < 1 ? 1 : processors > 8 ? 8 : (int) processors;
    }
    if (threads > THREADS_MAX) {
        threads = THREADS_MAX;
    }
    if (init_locks(&job) != 0) {
        return native_raise(state, CELLA_NO_MEMORY, NULL, NULL);
    }
    PyObject *result = run_job(state, &job, (unsigned int) threads, progress);
    cella_sha256_stream_free(job.digest);
    pthread_mutex_destroy(&job.lock);
    pthread_cond_destroy(&job.moved);
    pthread_cond_destroy(&job.turned);
    return result;
}

static PyObject *seal_file(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    return file_to_file(module, arguments, keywords, true);
}

static PyObject *open_file(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    return file_to_file(module, arguments, keywords, false);
}

PyMethodDef native_files_methods[] = {
    { "seal_file", (PyCFunction) (void (*)(void)) seal_file, METH_VARARGS | METH_KEYWORDS,
      "seal_file(key, associated_data, source, target, segment='1MB', threads=0, progress=None, digest=True)\n--\n\n"
      "Seal the regular file open as descriptor source into target.\n\n"
      "Returns:\n    (plain size, sealed size, SHA-256 of the sealed file or b'' without digest).\n" },
    { "open_file", (PyCFunction) (void (*)(void)) open_file, METH_VARARGS | METH_KEYWORDS,
      "open_file(key, associated_data, source, target, segment='1MB', threads=0, progress=None, digest=True)\n--\n\n"
      "Open the sealed regular file source into target. After an exception target's content is worthless.\n\n"
      "Returns:\n    (plain size, sealed size, SHA-256 of the sealed file or b'' without digest).\n" },
    { NULL, NULL, 0, NULL },
};
