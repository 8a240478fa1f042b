// Files, folders, pipes, environment and standard input as Go's packages use them, in the folder that
// the first argument names.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(4)
	}
}

// Without the folder's own path.
func reason(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Op + ": " + path.Err.Error()
	case errors.As(err, &link):
		return link.Op + ": " + link.Err.Error()
	case err != nil:
		return err.Error()
	}
	return "done"
}

func streams() {
	file, err := os.Create("stream")
	must(err)
	writer := bufio.NewWriter(file)
	for i := 0; i < 20000; i++ {
		fmt.Fprintf(writer, "line %d of them\n", i)
	}
	must(writer.Flush())
	must(file.Sync())
	where, err := file.Seek(-20, io.SeekEnd)
	must(err)
	fmt.Println("at", where)
	_, err = file.WriteAt([]byte("LINE"), 1000)
	must(err)
	must(file.Close())
	content, err := os.ReadFile("stream")
	must(err)
	fmt.Printf("%d bytes, %x\n", len(content), sha256.Sum256(content))
	_, err = file.Write(nil)
	fmt.Println(errors.Is(err, os.ErrClosed))
	var packed bytes.Buffer
	squeeze := gzip.NewWriter(&packed)
	archive := tar.NewWriter(squeeze)
	must(archive.WriteHeader(&tar.Header{Name: "stream", Size: int64(len(content)), Mode: 0o644}))
	_, err = archive.Write(content)
	must(err)
	must(archive.Close())
	must(squeeze.Close())
	must(os.WriteFile("stream.tar.gz", packed.Bytes(), 0o640))
	binaryFile, err := os.OpenFile("binary", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	must(err)
	must(binary.Write(binaryFile, binary.BigEndian, []uint32{1, 2, 3, 0xdeadbeef}))
	must(binaryFile.Truncate(10))
	status, err := binaryFile.Stat()
	must(err)
	fmt.Println(status.Size(), status.Mode())
	must(binaryFile.Close())
	source, err := os.Open("stream")
	must(err)
	target, err := os.Create("copied")
	must(err)
	copied, err := io.Copy(target, source) // copy_file_range, where it is to be had
	must(err)
	fmt.Println("copied", copied)
	must(source.Close())
	must(target.Close())
}

func folders() {
	must(os.MkdirAll("a/b/c", 0o755))
	for i := 0; i < 40; i++ {
		must(os.WriteFile(fmt.Sprintf("a/b/file%02d", i), bytes.Repeat([]byte("x"), i*10), 0o644))
	}
	must(os.Symlink("b/file03", "a/link"))
	must(os.Link("a/b/file04", "a/hard"))
	must(os.Rename("a/b/file05", "a/b/c/renamed"))
	must(os.Chmod("a/b/c/renamed", 0o400))
	moment := time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)
	must(os.Chtimes("a/b/c/renamed", moment, moment))
	status, err := os.Stat("a/b/c/renamed")
	must(err)
	fmt.Println(status.ModTime().UTC(), status.Mode())
	target, err := os.Readlink("a/link")
	must(err)
	fmt.Println("link to", target)
	must(filepath.WalkDir("a", func(path string, entry fs.DirEntry, err error) error {
		must(err)
		info, err := entry.Info()
		must(err)
		if entry.IsDir() {
			fmt.Println(path + "/")
		} else if entry.Type().IsRegular() {
			fmt.Println(path, info.Size())
		} else {
			fmt.Println(path, entry.Type())
		}
		return nil
	}))
	names, err := filepath.Glob("a/b/file1?")
	must(err)
	fmt.Println(len(names))
	fmt.Println(reason(os.Mkdir("a", 0o755)))
	fmt.Println(reason(os.Remove("a")))
	_, err = os.Open("nothing")
	fmt.Println(reason(err), errors.Is(err, fs.ErrNotExist))
	_, err = os.ReadFile("a")
	fmt.Println(reason(err))
	fmt.Println(reason(os.Rename("nothing", "something")))
	must(os.RemoveAll("a/b/c"))
	temporary, err := os.MkdirTemp("", "go")
	must(err)
	must(os.RemoveAll(temporary))
	here, err := os.Getwd()
	must(err)
	fmt.Println(filepath.IsAbs(here))
}

// Many goroutines at files of their own and at one of all.
func together() {
	var group sync.WaitGroup
	all, err := os.OpenFile("all", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(err)
	for i := 0; i < 30; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			name := fmt.Sprintf("own%d", i)
			for k := 0; k < 20; k++ {
				must(os.WriteFile(name, []byte(strings.Repeat(name, k)), 0o644))
				content, err := os.ReadFile(name)
				must(err)
				if len(content) != len(name)*k {
					fmt.Println("wrong length of", name)
				}
				_, err = all.Write([]byte("0123456789abcdef\n"))
				must(err)
			}
			must(os.Remove(name))
		}(i)
	}
	group.Wait()
	must(all.Close())
	content, err := os.ReadFile("all")
	must(err)
	fmt.Println("together:", len(content), strings.Count(string(content), "0123456789abcdef\n"))
}

func pipes() {
	reader, writer, err := os.Pipe()
	must(err)
	go func() {
		for i := 0; i < 1000; i++ {
			fmt.Fprintln(writer, i)
		}
		writer.Close()
	}()
	lines := 0
	for scanner := bufio.NewScanner(reader); scanner.Scan(); {
		lines++
	}
	fmt.Println("pipe:", lines)
	reader, writer, err = os.Pipe()
	must(err)
	must(reader.SetReadDeadline(time.Now().Add(5 * time.Millisecond)))
	_, err = reader.Read(make([]byte, 1))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	must(reader.Close())
	_, err = writer.Write([]byte("x"))
	fmt.Println(errors.Is(err, syscall.EPIPE))
}

func main() {
	must(os.Chdir(os.Args[1]))
	streams()
	folders()
	together()
	pipes()
	input, err := io.ReadAll(os.Stdin)
	must(err)
	fmt.Println("input:", len(input), bytes.Count(input, []byte("\n")))
	var value any
	must(json.Unmarshal([]byte(`{"b":[1,2.5,"x"],"a":null}`), &value))
	text, err := json.Marshal(value)
	must(err)
	fmt.Println(string(text))
	environment := os.Environ()
	sort.Strings(environment)
	fmt.Println(environment, os.Getenv("ONE"))
	// Where there are no processes this fails, and the program goes on.
	if err := exec.Command("/bin/true").Run(); err != nil {
		fmt.Fprintln(os.Stderr, "a command:", err)
	}
}
