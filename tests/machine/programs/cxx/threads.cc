// What <thread>, <mutex>, <condition_variable>, <future>, <atomic>, <latch>, <barrier> and
// <semaphore> promise, by results that do not depend on the order in which threads run.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <iostream>
#include <latch>
#include <mutex>
#include <numeric>
#include <semaphore>
#include <shared_mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace
{

using namespace std::chrono_literals;

// A queue with room for a few: producers and consumers both wait.
template <typename Item> class BoundedQueue
{
  public:
    explicit BoundedQueue(size_t room) : room_(room)
    {
    }
    void put(Item item)
    {
        std::unique_lock lock(mutex_);
        not_full_.wait(lock, [this] { return items_.size() < room_; });
        items_.push_back(item);
        not_empty_.notify_one();
    }
    Item take()
    {
        std::unique_lock lock(mutex_);
        not_empty_.wait(lock, [this] { return !items_.empty(); });
        Item item = items_.front();
        items_.pop_front();
        not_full_.notify_one();
        return item;
    }

  private:
    size_t room_;
    std::deque<Item> items_;
    std::mutex mutex_;
    std::condition_variable not_empty_, not_full_;
};

void queues()
{
    constexpr long items = 20000;
    BoundedQueue<long> queue(16);
    std::atomic<long> sum{0};
    std::vector<std::jthread> threads;

    for (int p = 0; p < 4; p++)
        threads.emplace_back([&queue, p] {
            for (long i = p; i < items; i += 4)
                queue.put(i);
        });
    for (int c = 0; c < 4; c++)
        threads.emplace_back([&queue, &sum] {
            for (long i = 0; i < items / 4; i++)
                sum += queue.take();
        });
    threads.clear();
    std::cout << "queue: " << sum << '\n';
}

void locks()
{
    std::mutex one, other;
    std::recursive_mutex recursive;
    std::shared_mutex shared;
    long guarded = 0, shared_value = 0;
    std::atomic<long> bad_reads{0};
    std::vector<std::jthread> threads;

    for (int t = 0; t < 6; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 3000; i++) {
                if (t % 2) {
                    std::scoped_lock both(one, other);
                    guarded++;
                } else {
                    std::scoped_lock both(other, one);
                    guarded++;
                }
                if (i % 16 == 0) {
                    std::unique_lock writer(shared);
                    shared_value += 2;
                } else {
                    std::shared_lock reader(shared);
                    bad_reads += shared_value % 2;
                }
                std::lock_guard outer(recursive);
                std::lock_guard inner(recursive);
            }
        });
    threads.clear();
    std::cout << "locks: " << guarded << ", " << shared_value << ", bad " << bad_reads << '\n';

    std::timed_mutex timed;
    std::unique_lock held(timed);
    std::jthread([&timed] {
        auto before = std::chrono::steady_clock::now();
        bool got = timed.try_lock_for(20ms);
        bool late = std::chrono::steady_clock::now() - before >= 20ms;
        std::cout << "timed mutex: " << (got ? "got it" : "not") << (late ? "" : ", too early")
                  << '\n';
    }).join();
}

void waits_with_a_limit()
{
    std::mutex mutex;
    std::condition_variable condition;
    std::unique_lock lock(mutex);
    auto steady = std::chrono::steady_clock::now();
    auto result = condition.wait_for(lock, 15ms);
    bool early = std::chrono::steady_clock::now() - steady < 15ms;

    std::cout << "wait_for: " << (result == std::cv_status::timeout ? "timeout" : "woken")
              << (early ? ", too early" : "") << '\n';
    auto wall = std::chrono::system_clock::now() + 15ms;
    bool come = condition.wait_until(lock, wall, [] { return false; });
    early = std::chrono::system_clock::now() < wall;
    std::cout << "wait_until: " << come << (early ? ", too early" : "") << '\n';
    // In the past: at once.
    come = condition.wait_until(lock, std::chrono::system_clock::now() - 1h, [] { return false; });
    std::cout << "in the past: " << come << '\n';
    auto before = std::chrono::steady_clock::now();
    std::this_thread::sleep_until(before + 10ms);
    std::cout << "sleep_until: " << (std::chrono::steady_clock::now() >= before + 10ms) << '\n';
}

void futures()
{
    std::vector<std::future<long>> parts;
    std::promise<void> start;
    std::shared_future<void> started = start.get_future().share();

    for (long part = 0; part < 8; part++)
        parts.push_back(std::async(std::launch::async, [part, started] {
            started.wait();
            long sum = 0;
            for (long i = part * 1000; i < (part + 1) * 1000; i++)
                sum += i;
            return sum;
        }));
    std::cout << "not yet: " << (parts[0].wait_for(1ms) == std::future_status::timeout) << '\n';
    start.set_value();
    long sum = 0;
    for (auto &part : parts)
        sum += part.get();
    std::cout << "futures: " << sum << '\n';
    std::packaged_task<int(int)> task([](int n) { return n * n; });
    auto square = task.get_future();
    std::jthread(std::move(task), 12).join();
    std::cout << "packaged task: " << square.get() << '\n';
}

// atomic::wait and notify are futexes of another kind than the mutex's.
void atomic_waits()
{
    constexpr int rounds = 2000;
    std::atomic<int> ball{0};
    auto player = [&ball](int own) {
        for (int i = own; i < rounds; i += 2) {
            int seen;
            while ((seen = ball.load()) != i)
                ball.wait(seen);
            ball.store(i + 1);
            ball.notify_all();
        }
    };
    {
        std::jthread first(player, 0), second(player, 1);
    }
    std::cout << "ball: " << ball << '\n';

    std::atomic_flag flag = ATOMIC_FLAG_INIT;
    std::atomic<long> released{0};
    {
        std::vector<std::jthread> waiting;
        for (int t = 0; t < 5; t++)
            waiting.emplace_back([&] {
                flag.wait(false);
                released++;
            });
        std::this_thread::sleep_for(5ms);
        flag.test_and_set();
        flag.notify_all();
    }
    std::cout << "released: " << released << '\n';

    std::counting_semaphore<4> semaphore(2);
    std::atomic<int> inside{0}, most{0};
    {
        std::vector<std::jthread> crowd;
        for (int t = 0; t < 6; t++)
            crowd.emplace_back([&] {
                for (int i = 0; i < 200; i++) {
                    semaphore.acquire();
                    int now = ++inside, seen = most;
                    while (now > seen && !most.compare_exchange_weak(seen, now))
                        ;
                    --inside;
                    semaphore.release();
                }
            });
    }
    std::cout << "semaphore: " << (most <= 2 ? "never more than 2" : "too many") << ", "
              << (semaphore.try_acquire_for(1ms) ? "free" : "taken") << '\n';

    std::latch latch(4);
    long completions = 0;
    std::barrier barrier(4, [&completions]() noexcept { completions++; });
    {
        std::vector<std::jthread> team;
        for (int t = 0; t < 4; t++)
            team.emplace_back([&] {
                latch.arrive_and_wait();
                for (int i = 0; i < 300; i++)
                    barrier.arrive_and_wait();
            });
    }
    std::cout << "barrier: " << completions << '\n';
}

std::atomic<int> made{0}, gone{0};

struct Local {
    Local()
    {
        made++;
    }
    ~Local()
    {
        gone++;
    }
    long count = 0;
};

thread_local Local local_one;
thread_local std::vector<long> local_vector(100, 7);

void thread_locals()
{
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 20; t++)
            threads.emplace_back([] {
                for (int i = 0; i < 100; i++)
                    local_one.count += local_vector[static_cast<size_t>(i)]++;
                if (local_one.count != 700)
                    std::cout << "not mine alone: " << local_one.count << '\n';
            });
    }
    std::cout << "thread_local: " << made << " made, " << gone << " gone\n";
}

void stopping()
{
    std::mutex mutex;
    std::condition_variable_any condition;
    std::atomic<int> called{0};
    {
        std::jthread worker([&](std::stop_token token) {
            std::stop_callback callback(token, [&called] { called++; });
            std::unique_lock lock(mutex);
            condition.wait(lock, token, [] { return false; });
            while (!called) // the callback may still be on its way
                std::this_thread::yield();
            called += 10;
        });
        std::this_thread::sleep_for(2ms);
    }
    std::cout << "stop: " << called << '\n';
}

void call_once_and_many_threads()
{
    std::once_flag once;
    std::atomic<long> calls{0}, ran{0};

    for (int round = 0; round < 10; round++) {
        std::vector<std::thread> threads;
        for (int t = 0; t < 50; t++)
            threads.emplace_back([&] {
                std::call_once(once, [&calls] { calls++; });
                ran++;
            });
        for (auto &thread : threads)
            thread.join();
    }
    std::cout << "call_once: " << calls << " of " << ran << '\n';
}

} // namespace

int main()
{
    std::cerr << "cores " << std::thread::hardware_concurrency() << '\n';
    queues();
    locks();
    waits_with_a_limit();
    futures();
    atomic_waits();
    thread_locals();
    stopping();
    call_once_and_many_threads();
    return 0;
}
