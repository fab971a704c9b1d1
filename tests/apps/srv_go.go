// A Go server: net/http, with HTTP/1.1 and, over TLS, HTTP/2 as the library has it; what it says of
// itself; streams; and helpers that it executes while it serves.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// A listener of its own choice of port, for a moment.
func helper() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
	}()
	if _, err := l.Accept(); err != nil {
		panic(err)
	}
	fmt.Print("helped")
}

func main() {
	if os.Args[1] == "helper" {
		helper()
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		fmt.Fprintf(w, "pid=%d id=%s", os.Getpid(), r.URL.Query().Get("id"))
	})
	http.HandleFunc("/remote", func(w http.ResponseWriter, r *http.Request) {
		local := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		fmt.Fprintf(w, "%s %s", r.RemoteAddr, local)
	})
	http.HandleFunc("/helper", func(w http.ResponseWriter, r *http.Request) {
		self, err := os.Executable()
		if err != nil {
			panic(err)
		}
		out, err := exec.Command(self, "helper").CombinedOutput()
		fmt.Fprintf(w, "%s %v; ", out, err)
		out, err = exec.Command("sh", "-c", "echo $((6 * 7))").CombinedOutput()
		fmt.Fprintf(w, "%s %v", out, err)
	})
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listens on", l.Addr())
	panic(http.Serve(l, nil))
}
