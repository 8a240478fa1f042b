// How a Go program ends, and signals: the first argument says which.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

type own struct{ code int }

func (o own) Error() string { return fmt.Sprint("own error ", o.code) }

//go:noinline
func fail(how string) {
	var nothing *own
	var table map[string]int
	list := []int{1, 2, 3}

	switch how {
	case "panic":
		panic(own{7})
	case "nil":
		fmt.Println(nothing.code)
	case "index":
		fmt.Println(list[len(how)])
	case "divide":
		fmt.Println(1 / (len(how) - 6))
	case "map":
		table["x"] = 1
	case "deadlock":
		<-make(chan int)
	case "stack":
		fmt.Println(deeper(0))
	case "goroutine":
		go func() { panic("in a goroutine") }()
		time.Sleep(10 * time.Second)
	}
}

func deeper(n int) int {
	return deeper(n+1) + n
}

func recovered(how string) {
	defer func() {
		cause := recover()
		_, fault := cause.(runtime.Error)
		fmt.Println(how, "recovered:", cause, fault)
	}()
	fail(how)
}

func signals() {
	got := make(chan os.Signal, 10)

	signal.Notify(got, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)
	for _, number := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM} {
		if err := syscall.Kill(os.Getpid(), number); err != nil {
			fmt.Println(err)
		}
		fmt.Println("signal:", <-got)
	}
	signal.Ignore(syscall.SIGUSR1)
	_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	signal.Reset(syscall.SIGUSR2)
	fmt.Println("ignored:", signal.Ignored(syscall.SIGUSR1), len(got))
}

func main() {
	if len(os.Args) < 2 {
		for _, how := range []string{"panic", "nil", "index", "divide", "map"} {
			recovered(how)
		}
		signals()
		defer fmt.Println("deferred, not run by os.Exit")
		os.Exit(9)
	}
	if os.Args[1] == "killed" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(10 * time.Second)
	}
	fail(os.Args[1])
}
