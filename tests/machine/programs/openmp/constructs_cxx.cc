// OpenMP in C++: what C does not have: iterators, own reductions, members, exceptions in regions.
#include <omp.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

struct Range {
    long least = 1L << 60, most = -1, count = 0;
    void add(long value)
    {
        least = std::min(least, value);
        most = std::max(most, value);
        count++;
    }
    void join(const Range &other)
    {
        least = std::min(least, other.least);
        most = std::max(most, other.most);
        count += other.count;
    }
};
#pragma omp declare reduction(join:Range : omp_out.join(omp_in))
#pragma omp declare reduction(append:std::vector<long> : omp_out.insert(omp_out.end(), omp_in.begin(), omp_in.end()))

void say(const char *what, bool good)
{
    std::cout << what << ": " << (good ? "right" : "WRONG") << std::endl;
}

void reductions(const std::vector<long> &numbers)
{
    Range range;
    std::vector<long> even;

#pragma omp parallel for reduction(join : range) schedule(guided)
    for (auto at = numbers.begin(); at < numbers.end(); ++at)
        range.add(*at);
    say("own reduction over iterators",
        range.least == 0 && range.most == 9999 && range.count == 10000);
#pragma omp parallel for reduction(append : even)
    for (std::size_t i = 0; i < numbers.size(); i++)
        if (numbers[i] % 2 == 0)
            even.push_back(numbers[i]);
    std::sort(even.begin(), even.end());
    say("vectors joined", even.size() == 5000 && even.back() == 9998);
}

void exceptions()
{
    long caught = 0;

#pragma omp parallel for reduction(+ : caught) schedule(dynamic, 1)
    for (int i = 0; i < 400; i++) {
        try {
            if (i % 4 == 0)
                throw std::runtime_error(std::to_string(i));
        } catch (const std::runtime_error &error) {
            caught += std::stol(error.what());
        }
    }
    say("exceptions in a loop", caught == 4L * 99 * 100 / 2);
}

void objects()
{
    auto shared = std::make_shared<long>(0);
    std::string name = "copied";
    long right = 0;

#pragma omp parallel firstprivate(shared, name) reduction(+ : right) num_threads(6)
    {
        name += std::to_string(omp_get_thread_num());
        right += name == "copied" + std::to_string(omp_get_thread_num());
#pragma omp atomic
        (*shared)++;
    }
    say("objects copied",
        right == 6 && *shared == 6 && shared.use_count() == 1 && name == "copied");
}

long quicksort(std::vector<long> &numbers, long from, long to)
{
    long swaps = 0, one = 0, other = 0;

    if (to - from < 500) {
        std::sort(numbers.begin() + from, numbers.begin() + to);
        return 1;
    }
    long pivot = numbers[static_cast<std::size_t>((from + to) / 2)], low = from, high = to - 1;
    while (low <= high) {
        while (numbers[static_cast<std::size_t>(low)] < pivot)
            low++;
        while (numbers[static_cast<std::size_t>(high)] > pivot)
            high--;
        if (low <= high) {
            std::swap(numbers[static_cast<std::size_t>(low++)],
                      numbers[static_cast<std::size_t>(high--)]);
            swaps++;
        }
    }
#pragma omp task shared(numbers, one)
    one = quicksort(numbers, from, high + 1);
#pragma omp task shared(numbers, other)
    other = quicksort(numbers, low, to);
#pragma omp taskwait
    return one + other + swaps;
}

} // namespace

int main()
{
    std::vector<long> numbers(10000);

    std::iota(numbers.begin(), numbers.end(), 0);
    for (std::size_t i = 0; i < numbers.size(); i++)
        std::swap(numbers[i], numbers[(i * 7919) % numbers.size()]);
    reductions(numbers);
    exceptions();
    objects();
    long steps = 0;
#pragma omp parallel
#pragma omp single
    steps = quicksort(numbers, 0, static_cast<long>(numbers.size()));
    say("sorted by tasks", std::is_sorted(numbers.begin(), numbers.end()) && steps > 0);
    return 0;
}
