"""A small XMPP load: N clients log in (SASL PLAIN) and send numbered messages round a ring of them, each waiting for its own to arrive.
Usage: xmpp_load.py PORT HOST CLIENTS SECONDS; prints how many messages were sent and how many arrived."""
import base64
import re
import socket
import sys
import threading
import time


class Client:
    def __init__(self, port, host, name):
        self.name, self.host = name, host
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.buffer = ""
        self.open_stream()
        token = base64.b64encode(f"\0{name}\0secret".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        self.until("<success")
        self.open_stream()
        self.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>")
        self.until("</iq>")
        self.send("<presence/>")

    def open_stream(self):
        self.buffer = ""
        self.send(f"<?xml version='1.0'?><stream:stream to='{self.host}' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
        self.until("</stream:features>")

    def send(self, text):
        self.socket.sendall(text.encode())

    def until(self, text):
        while text not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError(f"{self.name}: closed after {self.buffer[-300:]}")
            self.buffer += data.decode(errors="replace")
        cut = self.buffer.index(text) + len(text)
        found, self.buffer = self.buffer[:cut], self.buffer[cut:]
        return found


def main(port, host, count, seconds):
    clients = [Client(port, host, f"user{i}") for i in range(count)]
    sent, arrived, end = [0] * count, [0] * count, time.monotonic() + seconds

    def run(i):
        client, peer = clients[i], clients[(i + 1) % count]
        while time.monotonic() < end:
            sent[i] += 1
            client.send(f"<message to='{peer.name}@{host}/r' type='chat' id='m{i}-{sent[i]}'><body>number {sent[i]} of {client.name}</body></message>")
            try:
                text = client.until("</message>")  # of the neighbour on the other side
            except TimeoutError:
                break  # the neighbour has ended
            arrived[i] += len(re.findall(r"<body>number \d+ of user\d+</body>", text))
            time.sleep(0.004)
        client.send("</stream:stream>")

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"sent {sum(sent)} arrived {sum(arrived)}")
    return 0 if sum(arrived) >= 0.99 * sum(sent) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
