// The echo server in Go, on a listening socket that is inherited.
//
// usage: echo DESCRIPTOR BUFFER
package main

import (
	"net"
	"os"
	"strconv"
)

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return value
}

// Go sets TCP_NODELAY on every connection by itself.
func echo(connection net.Conn, size int) {
	defer connection.Close()
	buffer := make([]byte, size)
	for {
		received, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:received]); err != nil {
			return
		}
	}
}

func main() {
	file := os.NewFile(uintptr(number(os.Args[1])), "listener")
	listener, err := net.FileListener(file)
	if err != nil {
		panic(err)
	}
	file.Close()
	size := number(os.Args[2])
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go echo(connection, size)
	}
}
