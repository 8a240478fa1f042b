/* What `atoll --help` and `atoll run --help` print. The manual page (atoll.1) says the same at
 * greater length: change both. */
#include "abi/build_id.h"
#include "proxy/options.h"

void options_print_help(FILE *out)
{
    fputs(
        "Atoll " ATOLL_VERSION ": unmodified static Linux programs, each on a kernel of its own,\n"
        "side by side on one machine's cores.\n"
        "\n"
        "Usage:\n"
        "  atoll run [OPTION]... PROGRAM [ARG...] [ : [OPTION]... PROGRAM [ARG...] ]...\n"
        "  atoll run [OPTION]... MACHINE.yaml\n"
        "  atoll mpirun [OPTION]... -n N PROGRAM [ARG...]    run an MPI program of N ranks\n"
        "  atoll check MACHINE.yaml    say whether a machine file is sound, or every fault in it\n"
        "  atoll run --help            all options of run\n"
        "  atoll --help, --version\n"
        "\n"
        "Example: two instances, one with two cores:\n"
        "  atoll run -n left ./hello : -n right -c 2 ./hello world\n"
        "\n"
        "The manual page atoll(1) has the machine file and the exit statuses.\n",
        out);
}

void options_print_run_help(FILE *out)
{
    fputs(
        "Usage:\n"
        "  atoll run [OPTION]... PROGRAM [ARG...] [ : [OPTION]... PROGRAM [ARG...] ]...\n"
        "  atoll run [OPTION]... MACHINE.yaml\n"
        "\n"
        "Starts one kernel instance for each PROGRAM, all at once, on one machine. PROGRAM is a\n"
        "static x86-64 Linux executable (gcc -static). A ':' that stands alone ends an instance;\n"
        "to give a program the argument ':', write '::' (and ':::' for '::', and so on).\n"
        "A sole argument that ends in .yaml or .yml is a machine file.\n",
        out);
    fputs(
        "\n"
        "Options of an instance, before its program:\n"
        "  -n NAME         its name (default: the program's file name)\n"
        "  -c CORES        a count, such as 2, or a list of the machine's cores, such as 0-1,3;\n"
        "                  '3,' is core 3 alone (default: one core). Counts take the lowest cores\n"
        "                  that no list names\n"
        "  -m MEMORY       such as 64M or 2G, at least 4M (default: 64M)\n"
        "  -e KEY=VALUE    an environment entry; may stand several times\n"
        "  --mount HOST:GUEST[:rw]\n"
        "                  shows it the folder HOST at GUEST, read-only unless rw; may stand\n"
        "                  several times\n"
        "  --job NAME      makes it a member of that job: the members can read each other's "
        "memory\n"
        "\n"
        "Options of the run, before the first program:\n"
        "  --platform P    pc (a machine under QEMU), hosted (a sandboxed process for each\n"
        "                  instance) or auto (pc where KVM is there, else hosted; the default)\n"
        "  --cores N       cores of the machine (default: as many as the instances need)\n"
        "  --memory SIZE   memory for all instances together (default: what they need)\n"
        "  --section SIZE  of each instance's shared memory for messages (default: 4M)\n"
        "  --stdin NAME    the instance that reads standard input (default: the only one)\n"
        "  --strace[=NAME] print the system calls of all instances, or of one\n"
        "  --timeout SEC   end the run after so many seconds, with status 124; 0.5 is possible\n"
        "  --quiet         print the programs' output alone, without names or summary\n"
        "  --json          print the summary as JSON\n"
        "  --verbose       print what took how long\n"
        "  --log LEVEL     print the kernels' messages from this level on: error, warn, info or\n"
        "                  debug (default: warn)\n"
        "  --gdb           wait for gdb before the machine's first instruction\n",
        out);
    fputs(
        "  --debug WORDS   give QEMU these words for its -d, such as int,cpu_reset\n"
        "  --qemu PATH     the QEMU to use (default: qemu-system-x86_64)\n"
        "  --kernel PATH   the kernel's ELF file (default: beside atoll, or in ../lib/atoll)\n"
        "  --loader PATH   the boot loader's, likewise\n"
        "  -h, --help      this text\n"
        "With a machine file, --platform, --cores and --memory replace what stands in it.\n"
        "\n"
        "Exit status: the first that is not 0 in the instances' order, 128 + signal for a crash;\n"
        "124 time limit; 125 the machine could not be started; 2 wrong usage or input.\n",
        out);
}
