// /echo of checked.py, by net/http: echo HOST:PORT. Each answer says who has answered, and what its
// socket says of itself, as that of py_echo.py. /echo?copy=1 makes another descriptor of it, and run=1
// says how a program has ended that it executes.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type connKey struct{}

var copies []*os.File

// The kernel is asked again for each, as the app of a connection of TCP may.
func described(conn *net.TCPConn) string {
	if err := conn.SetNoDelay(true); err != nil {
		return err.Error()
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err.Error()
	}
	text := ""
	err = raw.Control(func(fd uintptr) {
		for _, ask := range []func(int) (syscall.Sockaddr, error){syscall.Getsockname, syscall.Getpeername} {
			addr, err := ask(int(fd))
			if v4, ok := addr.(*syscall.SockaddrInet4); ok {
				text += fmt.Sprintf("('%s', %d) ", net.IP(v4.Addr[:]), v4.Port)
			} else {
				text += fmt.Sprint(addr, err, " ")
			}
		}
		for _, option := range []int{syscall.SO_TYPE, syscall.SO_DOMAIN, syscall.SO_PROTOCOL} {
			value, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, option)
			if err != nil {
				value = -1
			}
			text += strconv.Itoa(value) + " "
		}
	})
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(text)
}

func echo(w http.ResponseWriter, r *http.Request) {
	ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	w.Header().Set("X-Pid", strconv.Itoa(os.Getpid()))
	conn := r.Context().Value(connKey{}).(*net.TCPConn)
	w.Header().Set("X-Socket", described(conn))
	if r.URL.Query().Get("copy") != "" {
		file, err := conn.File()
		if err != nil {
			panic(err)
		}
		copies = append(copies, file)
	}
	if r.URL.Query().Get("run") != "" {
		out, err := exec.Command("sh", "-c", "cat; exit 7").CombinedOutput()
		w.Header().Set("X-Run", fmt.Sprintf("%s%v", out, err))
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	switch r.URL.Query().Get("as") {
	case "none":
		w.WriteHeader(204)
		return
	case "chunked":
		w.(http.Flusher).Flush()
	default:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	for len(body) > 30000 {
		w.Write(body[:30000])
		body = body[30000:]
	}
	w.Write(body)
}

func main() {
	http.HandleFunc("/echo", echo)
	server := http.Server{
		Addr: os.Args[1],
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
	}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
