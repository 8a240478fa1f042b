/* Standard input, and the open files that stand for the streams. */
#include "tests/unit/console/machine.h"

#include "instance/syscall/restart.h"
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static char text[200000];

static void text_make(void)
{
    uint64_t seed = 9;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + random_below(&seed, 26));
    proxy.input = text;
    proxy.input_length = sizeof(text);
}

static void read_all(void)
{
    static char got[sizeof(text) + 100];
    size_t length = 0;
    uint64_t seed = 4;
    text_make();
    machine_start(1 << 20, MACHINE_FLAG_STDIN);
    for (;;) {
        size_t want = 1 + random_below(&seed, 9000);
        if (want > sizeof(got) - length)
            want = sizeof(got) - length;
        int64_t result = console_read(address_of(got + length), want);
        cr_assert(result >= 0 && (size_t)result <= want, "%ld", (long)result);
        if (result == 0)
            break;
        length += (size_t)result;
    }
    cr_assert_eq(length, sizeof(text));
    cr_assert(memcmp(got, text, sizeof(text)) == 0);
    cr_assert_eq(console_read(address_of(got), 10), 0, "and the end again");
    machine_stop();
}

Test(input, inline_pieces)
{
    proxy.input_piece = 1500;
    read_all();
    cr_assert_eq(atomic_load(&proxy_releases), 0);
}

Test(input, extents)
{
    proxy.input_piece = 5000;
    proxy.input_by_extent = true;
    read_all();
    cr_assert(atomic_load(&proxy_releases) >= 40, "every extent is given back");
}

Test(input, none)
{
    char byte;
    machine_start(1 << 20, 0);
    cr_assert_eq(console_read(address_of(&byte), 1), 0);
    machine_stop();
}

Test(input, a_signal_loses_no_byte)
{
    char got[16] = {0};
    proxy.input = "hello";
    proxy.input_length = 5;
    proxy.input_piece = 100;
    proxy.input_waits = true;
    machine_start(1 << 20, MACHINE_FLAG_STDIN);
    struct file_vector vector = {address_of(got), sizeof(got)};
    cr_assert_eq(console_read_vectors(&vector, 1, true), -EAGAIN);
    atomic_store(&signal_waits, true);
    cr_assert_eq(console_read(address_of(got), 16), -ERESTARTSYS);
    atomic_store(&signal_waits, false);
    proxy_give_input();
    cr_assert_eq(console_read(8, 16), -EFAULT);
    cr_assert_eq(console_read(address_of(got), 2), 2);
    cr_assert_eq(console_read(address_of(got) + 2, 14), 3);
    cr_assert(memcmp(got, "hello", 5) == 0);
    machine_stop();
}

Test(input, poll_sees_it_come)
{
    char got[16];
    proxy.input = "x";
    proxy.input_length = 1;
    proxy.input_piece = 100;
    proxy.input_waits = true;
    machine_start(1 << 20, MACHINE_FLAG_STDIN);
    cr_assert_eq(file_table_init(), 0);
    struct file *file = file_get(0);
    uint64_t seen = file_notifications();
    cr_assert_eq(file->operations->poll(file), 0);
    cr_assert_eq(file_wait(seen, now_ns() + 1000000), -ETIMEDOUT);
    proxy_give_input();
    cr_assert_eq(file_wait(seen, 0), 0);
    cr_assert_eq(file->operations->poll(file), POLLIN);
    cr_assert_eq(console_read(address_of(got), 16), 1);
    file_put(file);
    machine_stop();
}

Test(files, table)
{
    machine_start(1 << 20, 0);
    cr_assert_eq(file_table_init(), 0);
    cr_assert_eq(file_descriptor_end(), 3);
    struct file *file = file_get(1);
    cr_assert(file != NULL);
    cr_assert_eq(atomic_load(&file->references), 2);

    /* Fills up in order, far beyond the first table, and takes the lowest hole. */
    for (int i = 3; i < 1000; i++) {
        struct file *again = file_get(1);
        cr_assert_eq(file_install(again, 0, false), i);
    }
    cr_assert_eq(file_close(500), 0);
    cr_assert_eq(file_close(7), 0);
    cr_assert_eq(file_close(7), -EBADF);
    cr_assert_eq(file_install(file_get(1), 0, true), 7);
    cr_assert_eq(file_close_on_exec(7), 1);
    cr_assert_eq(file_set_close_on_exec(7, false), 0);
    cr_assert_eq(file_close_on_exec(7), 0);
    cr_assert_eq(file_install(file_get(1), 100, false), 500);
    cr_assert_eq(file_install(file_get(1), 2000, false), 2000);
    cr_assert_eq(file_install(file_get(1), 0, false), 1000);

    file_set_limit(1001);
    cr_assert_eq(file_install(file, 0, false), -EMFILE);
    cr_assert_eq(file_install(file, 1001, false), -EINVAL);
    cr_assert_eq(file_install(file, -1, false), -EINVAL);
    cr_assert_eq(file_install_at(file, 1001, false), -EBADF);
    cr_assert_eq(file_install_at(file, -1, false), -EBADF);
    cr_assert(file_get(3000) == NULL);
    cr_assert(file_get(-1) == NULL);
    cr_assert(file_get(INT32_MAX) == NULL);

    /* dup2 over an open one. */
    struct file *error = file_get(2);
    cr_assert_eq(file_install_at(error, 9, false), 9);
    struct file *nine = file_get(9);
    cr_assert(nine == error);
    file_put(nine);

    for (int i = file_descriptor_end() - 1; i >= 0; i--)
        file_close(i);
    cr_assert_eq(file_descriptor_end(), 0);
    cr_assert_eq(atomic_load(&file->references), 1);
    file_put(file); /* the leak checker looks */
    machine_stop();
}

/* The same descriptors from several threads at once. */
static void *churn(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    thread_attach((int32_t)seed);
    for (int i = 0; i < 20000; i++) {
        int descriptor = 3 + (int)random_below(&seed, 40);
        struct file *file = file_get(random_below(&seed, 2) ? descriptor : 1);
        if (file == NULL)
            continue;
        int result;
        switch (random_below(&seed, 3)) {
        case 0:
            result = file_install(file, 3, false);
            break;
        case 1:
            result = file_install_at(file, descriptor, false);
            break;
        default:
            result = -1;
        }
        if (result < 0)
            file_put(file);
        if (random_below(&seed, 2))
            file_close(descriptor);
    }
    return NULL;
}

Test(files, churn)
{
    pthread_t threads[3];
    machine_start(1 << 20, 0);
    cr_assert_eq(file_table_init(), 0);
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    struct file *file = file_get(1);
    for (int i = file_descriptor_end() - 1; i >= 0; i--)
        file_close(i);
    cr_assert_eq(atomic_load(&file->references), 1);
    file_put(file);
    machine_stop();
}
