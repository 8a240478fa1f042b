/* Copies standard input to standard output, in pieces of changing size, and says how much on
 * standard error. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    static char piece[70000];
    size_t total = 0;

    for (size_t size = 1;; size = size * 3 % 69997 + 1) {
        ssize_t got = read(0, piece, size);

        if (got < 0) {
            perror("copy: read");
            return 1;
        }
        if (got == 0)
            break;
        for (ssize_t done = 0; done < got;) {
            ssize_t written = write(1, piece + done, (size_t)(got - done));

            if (written < 0) {
                perror("copy: write");
                return 1;
            }
            done += written;
        }
        total += (size_t)got;
    }
    fprintf(stderr, "copied %zu bytes\n", total);
    return 0;
}
