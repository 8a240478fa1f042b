// C++ exceptions: through many frames, nested and rethrown, from thread to thread and in many
// threads at once. Prints the same lines on Linux and in an instance.
#include <atomic>
#include <cstdio>
#include <exception>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

namespace
{

std::atomic<long> alive{0};

// Counts itself, so that unwinding that skips a frame is seen.
struct Witness {
    Witness()
    {
        alive++;
    }
    Witness(const Witness &) = delete;
    Witness &operator=(const Witness &) = delete;
    ~Witness()
    {
        alive--;
    }
};

class Deep : public std::runtime_error
{
  public:
    Deep(const std::string &text, int depth) : std::runtime_error(text), depth_(depth)
    {
    }
    int depth() const
    {
        return depth_;
    }

  private:
    int depth_;
};

int descend(int depth, int bottom)
{
    Witness witness;
    std::string ballast(static_cast<size_t>(depth % 50) + 20, 'x');

    if (depth == bottom)
        throw Deep("bottom of " + std::to_string(bottom), depth);
    return descend(depth + 1, bottom) + static_cast<int>(ballast.size());
}

// Each fifth frame catches and throws on.
int descend_and_rethrow(int depth, int bottom, int &caught)
{
    Witness witness;

    if (depth == bottom)
        throw Deep("rethrown", depth);
    if (depth % 5)
        return descend_and_rethrow(depth + 1, bottom, caught) + 1;
    try {
        return descend_and_rethrow(depth + 1, bottom, caught) + 1;
    } catch (const std::exception &) {
        caught++;
        throw;
    }
}

void print_nested(const std::exception &error, int level)
{
    std::cout << std::string(static_cast<size_t>(level) * 2, ' ') << error.what() << '\n';
    try {
        std::rethrow_if_nested(error);
    } catch (const std::exception &inner) {
        print_nested(inner, level + 1);
    }
}

void in_many_threads()
{
    constexpr int thread_count = 8, rounds = 400;
    std::atomic<long> depth_sum{0};
    std::vector<std::thread> threads;

    for (int t = 0; t < thread_count; t++)
        threads.emplace_back([&, t] {
            for (int round = 0; round < rounds; round++) {
                try {
                    descend(0, t + round % 10);
                } catch (const Deep &error) {
                    depth_sum += error.depth();
                }
            }
        });
    for (auto &thread : threads)
        thread.join();
    std::cout << "threads: depths add up to " << depth_sum << ", alive " << alive << '\n';
}

void from_thread_to_thread()
{
    std::promise<int> promise;
    std::future<int> future = promise.get_future();
    std::thread thrower([&promise] {
        try {
            descend(0, 30);
        } catch (...) {
            promise.set_exception(std::current_exception());
        }
    });

    try {
        future.get();
    } catch (const Deep &error) {
        std::cout << "from another thread: " << error.what() << ", depth " << error.depth() << '\n';
    }
    thrower.join();
    auto result = std::async(std::launch::async, [] { return std::vector<int>().at(3); });
    try {
        result.get();
    } catch (const std::out_of_range &) {
        std::cout << "out_of_range through async\n";
    }
}

void of_the_language()
{
    try {
        const std::type_info &type = typeid(*static_cast<std::exception *>(nullptr));
        std::cout << type.name() << '\n';
    } catch (const std::bad_typeid &) {
        std::cout << "bad_typeid\n";
    }
    std::runtime_error error("no");
    try {
        std::exception &base = error;
        std::cout << dynamic_cast<Deep &>(base).depth() << '\n';
    } catch (const std::bad_cast &) {
        std::cout << "bad_cast\n";
    }
    try {
        std::function<void()> nothing;
        nothing();
    } catch (const std::bad_function_call &) {
        std::cout << "bad_function_call\n";
    }
    // More than any address space has.
    volatile size_t enormous = static_cast<size_t>(1) << 60;
    try {
        std::unique_ptr<char[]> memory(new char[enormous]);
        std::cout << "memory without end\n";
    } catch (const std::bad_alloc &) {
        std::cout << "bad_alloc\n";
    }
    try {
        throw 42;
    } catch (int number) {
        std::cout << "an int: " << number << '\n';
    }
}

} // namespace

int main(int argc, char **argv)
{
    std::ios::sync_with_stdio(false);
    for (int bottom : {1, 10, 1000, 5000}) {
        try {
            descend(0, bottom);
        } catch (const Deep &error) {
            std::cout << error.what() << ": " << error.depth() << ", alive " << alive << '\n';
        }
    }
    int caught = 0;
    try {
        descend_and_rethrow(0, 203, caught);
    } catch (const Deep &error) {
        std::cout << error.what() << " " << caught << " times, alive " << alive << '\n';
    }
    try {
        try {
            try {
                throw std::logic_error("innermost");
            } catch (...) {
                std::throw_with_nested(std::runtime_error("middle"));
            }
        } catch (...) {
            std::throw_with_nested(std::runtime_error("outermost"));
        }
    } catch (const std::exception &error) {
        print_nested(error, 0);
    }
    of_the_language();
    from_thread_to_thread();
    in_many_threads();
    std::cout.flush();
    if (argc > 1 && std::string(argv[1]) == "uncaught")
        descend(0, 3); // terminate: SIGABRT
    if (argc > 1 && std::string(argv[1]) == "terminate") {
        std::set_terminate([] {
            std::puts("the terminate handler");
            std::fflush(stdout);
            std::_Exit(7);
        });
        std::thread([] { throw 1; }).join();
    }
    return 3;
}
