// A relay on Go's x/crypto/ssh, as gateways are written with it: remote forwards and connections from the relay, no
// commands. Usage: go_relay [FLAG...] PORT HOST_KEY AUTHORIZED_KEYS
package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

var (
	version   = flag.String("version", "SSH-2.0-Go", "what it says it is")
	keepalive = flag.Duration("keepalive", 0, "how often a client is asked whether it lives; 0: never")
	early     = flag.String("early", "serve", "a request that comes before the login is answered: serve, drop or hangup")
)

// address is the payload of tcpip-forward and of its cancellation (RFC 4254, 7.1).
type address struct {
	Host string
	Port uint32
}

// connection is the payload of forwarded-tcpip and direct-tcpip (RFC 4254, 7.2).
type connection struct {
	Host       string
	Port       uint32
	Originator string
	OriginPort uint32
}

func (a address) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port))) }

// heldBack keeps what is written, once told to, until release: what comes in meanwhile was sent without its knowledge.
type heldBack struct {
	net.Conn
	mutex   sync.Mutex
	holding bool
	written bytes.Buffer
}

func (c *heldBack) Write(data []byte) (int, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.holding {
		return c.written.Write(data)
	}
	return c.Conn.Write(data)
}

func (c *heldBack) hold() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.holding = true
}

func (c *heldBack) release() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.holding = false
	_, _ = c.Conn.Write(c.written.Bytes())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func authorizedKeys(path string) map[string]bool {
	rest, err := os.ReadFile(path)
	must(err)
	keys := map[string]bool{}
	for len(rest) > 0 {
		var key ssh.PublicKey
		key, _, _, rest, err = ssh.ParseAuthorizedKey(rest)
		must(err)
		keys[string(key.Marshal())] = true
	}
	return keys
}

func main() {
	flag.Parse()
	key, err := os.ReadFile(flag.Arg(1))
	must(err)
	hostKey, err := ssh.ParsePrivateKey(key)
	must(err)
	authorized := authorizedKeys(flag.Arg(2))
	listener, err := net.Listen("tcp", "127.0.0.1:"+flag.Arg(0))
	must(err)
	for {
		socket, err := listener.Accept()
		must(err)
		conn := &heldBack{Conn: socket}
		config := &ssh.ServerConfig{ServerVersion: *version}
		config.AddHostKey(hostKey)
		config.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !authorized[string(key.Marshal())] {
				return nil, errors.New("not authorized")
			}
			if *early != "serve" {
				conn.hold()
			}
			return nil, nil
		}
		go serve(conn, config)
	}
}

func serve(socket *heldBack, config *ssh.ServerConfig) {
	defer socket.Close()
	conn, channels, requests, err := ssh.NewServerConn(socket, config)
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close()
	if *early != "serve" {
		select {
		case request := <-requests:
			log.Print("asked before the login: ", request.Type)
			if *early == "hangup" {
				return
			}
		case <-time.After(100 * time.Millisecond):
		}
		socket.release()
	}
	go serveChannels(channels)
	gone := make(chan struct{})
	defer close(gone)
	if *keepalive != 0 {
		go ask(conn, gone)
	}
	serveRequests(conn, requests)
}

// ask hangs up on a client that does not answer within an interval.
func ask(conn ssh.Conn, gone chan struct{}) {
	for {
		answered := make(chan struct{})
		go func() {
			_, _, _ = conn.SendRequest("keepalive@openssh.com", true, nil)
			close(answered)
		}()
		deadline := time.After(*keepalive)
		select {
		case <-gone:
			return
		case <-deadline:
			conn.Close()
			return
		case <-answered:
		}
		select {
		case <-gone:
			return
		case <-deadline:
		}
	}
}

func serveRequests(conn ssh.Conn, requests <-chan *ssh.Request) {
	listeners := map[string]net.Listener{}
	defer func() {
		for _, listener := range listeners {
			listener.Close()
		}
	}()
	for request := range requests {
		var asked address
		done := false
		switch request.Type {
		case "tcpip-forward":
			must(ssh.Unmarshal(request.Payload, &asked))
			if listener, err := net.Listen("tcp", asked.String()); err == nil {
				listeners[asked.String()] = listener
				go accept(conn, listener, asked)
				done = true
			}
		case "cancel-tcpip-forward":
			must(ssh.Unmarshal(request.Payload, &asked))
			if listener := listeners[asked.String()]; listener != nil {
				listener.Close()
				delete(listeners, asked.String())
				done = true
			}
		}
		if request.WantReply {
			_ = request.Reply(done, nil)
		}
	}
}

func accept(conn ssh.Conn, listener net.Listener, bound address) {
	for {
		visitor, err := listener.Accept()
		if err != nil {
			return
		}
		from := visitor.RemoteAddr().(*net.TCPAddr)
		payload := ssh.Marshal(connection{bound.Host, bound.Port, from.IP.String(), uint32(from.Port)})
		go func() {
			channel, requests, err := conn.OpenChannel("forwarded-tcpip", payload)
			if err != nil {
				visitor.Close()
				return
			}
			go ssh.DiscardRequests(requests)
			join(channel, visitor.(*net.TCPConn))
		}()
	}
}

func serveChannels(channels <-chan ssh.NewChannel) {
	for opened := range channels {
		if opened.ChannelType() != "direct-tcpip" {
			_ = opened.Reject(ssh.UnknownChannelType, "no commands here")
			continue
		}
		go func(opened ssh.NewChannel) {
			var to connection
			must(ssh.Unmarshal(opened.ExtraData(), &to))
			target, err := net.Dial("tcp", address{to.Host, to.Port}.String())
			if err != nil {
				_ = opened.Reject(ssh.ConnectionFailed, err.Error())
				return
			}
			channel, requests, err := opened.Accept()
			if err != nil {
				target.Close()
				return
			}
			go ssh.DiscardRequests(requests)
			join(channel, target.(*net.TCPConn))
		}(opened)
	}
}

// join copies both ways, and hands on each end by itself.
func join(channel ssh.Channel, socket *net.TCPConn) {
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		_, _ = io.Copy(channel, socket)
		_ = channel.CloseWrite()
		both.Done()
	}()
	go func() {
		_, _ = io.Copy(socket, channel)
		_ = socket.CloseWrite()
		both.Done()
	}()
	both.Wait()
	channel.Close()
	socket.Close()
}
