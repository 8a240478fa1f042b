/* The Mandelbrot set in letters: each character is a point of the plane, the denser the longer it
 * takes to run away.
 *
 *   mandelbrot [COLUMNS] [ROWS]        default: 72, 24 */
#include <stdio.h>
#include <stdlib.h>

#define STEPS 200 /* after which a point counts as inside */

/* How many steps until z -> z^2 + c leaves the circle of radius 2. */
static int steps_to_escape(double real, double imaginary)
{
    double x = 0, y = 0;
    int steps = 0;

    while (steps < STEPS && x * x + y * y <= 4) {
        double next = x * x - y * y + real;

        y = 2 * x * y + imaginary;
        x = next;
        steps++;
    }
    return steps;
}

static char shade(int steps)
{
    static const char palette[] = " .,:;i1tfLCG08@";
    int last = (int)sizeof(palette) - 2;

    if (steps == STEPS)
        return palette[last];
    return palette[steps < 3 ? 0 : (steps - 3) * last / (steps + 12)];
}

int main(int argc, char **argv)
{
    int columns = argc > 1 ? atoi(argv[1]) : 72;
    int rows = argc > 2 ? atoi(argv[2]) : 24;

    if (columns < 2 || rows < 2 || columns > 4096 || rows > 4096) {
        fprintf(stderr, "usage: mandelbrot [COLUMNS] [ROWS], each 2 to 4096\n");
        return 2;
    }
    /* The whole picture first, then one write: lines of other instances do not come between. */
    size_t size = (size_t)(columns + 1) * (size_t)rows;
    char *picture = malloc(size), *at = picture;

    if (!picture) {
        perror("mandelbrot");
        return 1;
    }
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++)
            *at++ = shade(steps_to_escape(-2.2 + 3.2 * column / (columns - 1),
                                          -1.2 + 2.4 * row / (rows - 1)));
        *at++ = '\n';
    }
    fwrite(picture, 1, size, stdout);
    free(picture);
    return 0;
}
