// The rest of the standard library that leans on the system: iostreams, chrono, regex, random,
// allocators, parallel containers' worth of memory. Reads standard input too.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <complex>
#include <iomanip>
#include <iostream>
#include <list>
#include <locale>
#include <map>
#include <memory_resource>
#include <numeric>
#include <random>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace
{

void formats()
{
    std::cout << std::setw(10) << std::setfill('*') << 42 << '|' << std::left << std::setw(8)
              << "ab" << '|' << std::showpos << 7 << std::noshowpos << '|' << std::boolalpha << true
              << '\n';
    std::cout << std::setfill(' ') << std::fixed << std::setprecision(3) << 3.14159265 << ' '
              << std::scientific << 12345.678 << ' ' << std::hexfloat << 0.1 << std::defaultfloat
              << ' ' << 1e300 * 10 << ' ' << -1.0 / 3 << '\n';
    std::cout << std::showbase << std::hex << 255 << ' ' << std::oct << 8 << std::dec << ' '
              << std::uppercase << std::scientific << 1.5 << std::nouppercase << std::defaultfloat
              << '\n';
    std::cout << std::complex<double>(1, -2) * std::complex<double>(0, 1) << '\n';
    char buffer[64];
    auto end = std::to_chars(buffer, buffer + sizeof(buffer), 0.1 + 0.2);
    std::cout << std::string(buffer, end.ptr) << '\n';
    double back = 0;
    std::from_chars(buffer, end.ptr, back);
    std::cout << (back == 0.1 + 0.2) << '\n';
    std::cout << "locale " << std::locale().name() << '\n';
    try {
        std::locale other("de_DE.UTF-8-that-is-not-there");
        std::cout << "locale made\n";
    } catch (const std::runtime_error &) {
        std::cout << "no such locale\n";
    }
}

void clocks()
{
    using namespace std::chrono;
    auto steady = steady_clock::now();
    auto wall = system_clock::now();
    bool backwards = false;

    for (int i = 0; i < 20000; i++) {
        auto next = steady_clock::now();
        backwards = backwards || next < steady;
        steady = next;
    }
    std::cout << "steady: " << (backwards ? "not" : "yes") << ", "
              << (wall > sys_days{year{2024} / 1 / 1}) << '\n';
    std::cout << "leap day: " << (year{2024} / 2 / 29).ok() << (year{2023} / 2 / 29).ok() << ' '
              << (sys_days{year{2026} / 11 / 22}.time_since_epoch()).count() << '\n';
}

void expressions()
{
    std::regex mail(R"((\w+)@(\w+)\.(org|net))");
    std::string text = "one@two.org, three@four.net; not@this.one and x@y.org";

    for (auto match = std::sregex_iterator(text.begin(), text.end(), mail);
         match != std::sregex_iterator(); ++match)
        std::cout << (*match)[1] << " at " << (*match)[2] << " in " << (*match)[3] << '\n';
    std::cout << std::regex_replace(text, mail, "<$2>") << '\n';
    try {
        std::regex broken("(unclosed");
    } catch (const std::regex_error &error) {
        std::cout << "regex_error " << (error.code() == std::regex_constants::error_paren) << '\n';
    }
    // Deep recursion of the matcher.
    std::string long_text(2000, 'a');
    std::cout << "long match: " << std::regex_match(long_text, std::regex("(a|b)*")) << '\n';
}

void containers()
{
    std::mt19937_64 random(2026);
    std::vector<std::uint64_t> numbers(200000);
    std::map<std::uint64_t, std::string> tree;
    std::unordered_map<std::string, std::uint64_t> table;

    for (auto &number : numbers)
        number = random();
    for (std::size_t i = 0; i < 20000; i++) {
        tree[numbers[i] % 10000] += std::to_string(i % 7);
        table["key" + std::to_string(numbers[i] % 5000)] += numbers[i];
    }
    std::sort(numbers.begin(), numbers.end());
    std::uint64_t mixed = 0;
    for (auto number : numbers)
        mixed = mixed * 31 + number;
    std::cout << "sorted: " << mixed << ", tree " << tree.size() << ", table " << table.size()
              << '\n';
    std::uint64_t sum = 0;
    for (const auto &[key, value] : table)
        sum += value ^ key.size();
    std::cout << "table: " << sum << '\n';
    std::pmr::monotonic_buffer_resource arena;
    std::pmr::list<std::pmr::string> strings(&arena);
    for (int i = 0; i < 10000; i++)
        strings.emplace_back(static_cast<std::size_t>(i % 60), 'z');
    std::cout << "arena: "
              << std::accumulate(strings.begin(), strings.end(), std::size_t{0},
                                 [](std::size_t n, const auto &s) { return n + s.size(); })
              << '\n';
    std::random_device device;
    std::cout << "random device: " << (device() != device() || device() != device()) << '\n';
    // Large blocks come and go: mmap, mremap and munmap underneath.
    std::vector<char> growing;
    for (int i = 0; i < 23; i++)
        growing.resize(static_cast<std::size_t>(1) << i, static_cast<char>(i));
    std::cout << "grown: " << growing.size() << ' ' << static_cast<int>(growing[growing.size() / 2])
              << '\n';
}

} // namespace

int main()
{
    std::string line;
    std::size_t words = 0, characters = 0;

    while (std::getline(std::cin, line)) {
        std::istringstream stream(line);
        for (std::string word; stream >> word;) {
            words++;
            characters += word.size();
        }
    }
    std::cout << "input: " << words << " words, " << characters << " characters\n";
    formats();
    clocks();
    expressions();
    containers();
    std::clog << "to standard error\n";
    std::cout << "flushed" << std::endl;
    return 0;
}
