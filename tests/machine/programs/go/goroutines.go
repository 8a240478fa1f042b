// Goroutines over all cores: channels, select, mutexes, wait groups, timers, contexts, a tight loop that
// must be preempted, and the garbage collector under load. Prints the same lines wherever it runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func sieve(limit int) int {
	numbers := make(chan int)
	done := make(chan struct{})
	defer close(done)
	go func(out chan<- int) {
		for i := 2; ; i++ {
			select {
			case out <- i:
			case <-done:
				return
			}
		}
	}(numbers)
	last := 0
	for n := 0; n < limit; n++ {
		prime := <-numbers
		last = prime
		filtered := make(chan int)
		go func(in <-chan int, out chan<- int) {
			for {
				select {
				case i := <-in:
					if i%prime == 0 {
						continue
					}
					select {
					case out <- i:
					case <-done:
						return
					}
				case <-done:
					return
				}
			}
		}(numbers, filtered)
		numbers = filtered
	}
	return last
}

func workers() {
	jobs, results := make(chan int, 100), make(chan int, 100)
	var group sync.WaitGroup

	for w := 0; w < 16; w++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for job := range jobs {
				results <- job * job
			}
		}()
	}
	go func() {
		for i := 1; i <= 10000; i++ {
			jobs <- i
		}
		close(jobs)
		group.Wait()
		close(results)
	}()
	sum := 0
	for result := range results {
		sum += result
	}
	fmt.Println("workers:", sum)
}

func locks() {
	var mutex sync.Mutex
	var shared sync.RWMutex
	var once sync.Once
	var group sync.WaitGroup
	var exact atomic.Int64
	count, written, first := 0, 0, 0

	for i := 0; i < 1000; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			for k := 0; k < 20; k++ {
				mutex.Lock()
				count++
				mutex.Unlock()
				exact.Add(1)
				if k == i%20 {
					shared.Lock()
					written++
					shared.Unlock()
				} else {
					shared.RLock()
					_ = written
					shared.RUnlock()
				}
				once.Do(func() { first++ })
			}
		}(i)
	}
	group.Wait()
	fmt.Println("locks:", count, exact.Load(), written, first)
}

// Loops without a call: nothing but a signal takes the core from them.
func preemption() {
	cores := runtime.GOMAXPROCS(0)
	var stop, ticks int64
	var group sync.WaitGroup

	for i := 0; i < cores+1; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			x := uint64(1)
			for atomic.LoadInt64(&stop) == 0 {
				for k := 0; k < 1000; k++ {
					x = x*6364136223846793005 + 1
				}
			}
			_ = x
		}()
	}
	ticker := time.NewTicker(2 * time.Millisecond)
	for ticks < 5 {
		<-ticker.C
		ticks++
	}
	ticker.Stop()
	runtime.GC() // stops the world, the loops too
	atomic.StoreInt64(&stop, 1)
	group.Wait()
	fmt.Println("preemption:", ticks)
}

func timers() {
	start := time.Now()
	var order []string
	var mutex sync.Mutex
	var group sync.WaitGroup

	for i, d := range []int{90, 10, 50, 30, 70} {
		group.Add(1)
		name := fmt.Sprint(i)
		time.AfterFunc(time.Duration(d)*time.Millisecond, func() {
			mutex.Lock()
			order = append(order, name)
			mutex.Unlock()
			group.Done()
		})
	}
	group.Wait()
	fmt.Println("timers:", len(order), time.Since(start) >= 90*time.Millisecond)
	select {
	case <-make(chan int):
		fmt.Println("never")
	case <-time.After(5 * time.Millisecond):
		fmt.Println("after")
	}
	timer := time.NewTimer(time.Hour)
	fmt.Println("stopped:", timer.Stop())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	fmt.Println(ctx.Err(), errors.Is(ctx.Err(), context.DeadlineExceeded))
	before := time.Now()
	time.Sleep(3 * time.Millisecond)
	fmt.Println("slept:", time.Since(before) >= 3*time.Millisecond)
}

type node struct {
	left, right *node
	data        [4]int
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{data: [4]int{1, 1, 1, 1}}
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

func (n *node) count() int {
	if n.left == nil {
		return n.data[0]
	}
	return n.left.count() + n.right.count()
}

func collector() {
	var before, after runtime.MemStats
	var group sync.WaitGroup
	var leaves atomic.Int64

	runtime.ReadMemStats(&before)
	keep := tree(14)
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 12; i++ {
				leaves.Add(int64(tree(10).count()))
				table := map[string][]byte{}
				for k := 0; k < 500; k++ {
					table[strings.Repeat("k", k%40)+fmt.Sprint(k)] = make([]byte, k)
				}
				leaves.Add(int64(len(table)))
			}
		}()
	}
	group.Wait()
	finalized := make(chan bool, 1)
	func() {
		object := &node{}
		runtime.SetFinalizer(object, func(*node) { finalized <- true })
	}()
	runtime.GC()
	select {
	case <-finalized:
		fmt.Println("finalizer ran")
	case <-time.After(10 * time.Second):
		fmt.Println("no finalizer")
	}
	large := make([][]byte, 0)
	for i := 0; i < 20; i++ {
		large = append(large, make([]byte, 1<<20))
		large[i][i*1000] = byte(i)
	}
	large = nil
	debug.FreeOSMemory()
	runtime.ReadMemStats(&after)
	fmt.Println("collector:", keep.count(), leaves.Load(), after.NumGC > before.NumGC, len(large))
}

func main() {
	fmt.Fprintf(os.Stderr, "cores %d\n", runtime.NumCPU())
	fmt.Println("all cores:", runtime.GOMAXPROCS(0) == runtime.NumCPU())
	preemption()
	fmt.Println("prime:", sieve(100))
	workers()
	locks()
	timers()
	collector()
	ring()
}

// A ring of goroutines, half of them bound to threads of their own.
func ring() {
	const size = 40
	first := make(chan int)
	in := first
	for i := 0; i < size; i++ {
		out := make(chan int)
		go func(in <-chan int, out chan<- int, bound bool) {
			if bound {
				runtime.LockOSThread()
			}
			for value := range in {
				out <- value + 1
			}
			close(out)
		}(in, out, i%2 == 0)
		in = out
	}
	var got []int
	go func() {
		for i := 0; i < 100; i++ {
			first <- i
		}
		close(first)
	}()
	for value := range in {
		got = append(got, value)
	}
	fmt.Println("ring:", len(got), sort.IntsAreSorted(got), got[99])
}
