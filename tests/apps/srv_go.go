// A Go server: net/http, with HTTP/1.1 and, over TLS, HTTP/2 as the library has it; what it says of
// itself; streams; and helpers that it executes while it serves.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
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

// What the library of Go makes of TLS: HTTP/2, if the client can.
func serveTLS(l net.Listener) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	made := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, &made, &made, &key.PublicKey, key)
	if err != nil {
		return err
	}
	own := tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}
	server := http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}}}
	return server.ServeTLS(l, "", "")
}

// A client that sends each line of its input into one stream, as those of gRPC are, and prints what
// comes back, line by line.
func stream(url string) error {
	any := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	response, err := (&http.Client{Transport: any}).Post(url, "text/plain", os.Stdin)
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func main() {
	switch os.Args[1] {
	case "helper":
		helper()
		return
	case "stream":
		if err := stream(os.Args[2]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		for lines := bufio.NewScanner(r.Body); lines.Scan(); w.(http.Flusher).Flush() {
			fmt.Fprintf(w, "%s %d %s\n", r.Proto, os.Getpid(), lines.Text())
		}
	})
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
	if len(os.Args) > 2 && os.Args[2] == "tls" {
		panic(serveTLS(l))
	}
	panic(http.Serve(l, nil))
}
