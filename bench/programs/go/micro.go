// The rows of `micro` in Go, on one processor.
//
// Answers each line `ROW OPERATIONS CPU` with the row's figures, as the other workers do. A figure that does not
// exist here is NaN. The work is that of src/micro/work; a yield is Gosched, a task a goroutine that says over a
// WaitGroup that it has ended.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const many = 1000

func main() {
	runtime.GOMAXPROCS(1)
	rows := map[string]func(int) []float64{
		"spawn_batch":  func(n int) []float64 { return spawnBatch(batches(n), many) },
		"spawn_one":    spawnOne,
		"spawn_1m":     func(n int) []float64 { return spawnBatch(1, n) },
		"yield_one":    func(n int) []float64 { return yields(1, n) },
		"yield_1k":     func(n int) []float64 { return yields(many, batches(n)) },
		"pingpong":     pingPong,
		"mpsc_3":       func(n int) []float64 { return queue(3, n) },
		"mpsc_1024":    func(n int) []float64 { return queue(1024, n) },
		"timer_cancel": timerCancel,
		"timer_1m":     timersAlive,
		"timer_fire":   timersFire,
		"sleep_1ms":    func(n int) []float64 { return loneSleep(n, time.Millisecond) },
		"sleep_100us":  func(n int) []float64 { return loneSleep(n, 100*time.Microsecond) },
		"mem_task":     idleTasks,
	}
	for _, count := range []string{"1e3", "1e4", "1e5", "1e6"} {
		rows["tasks_"+count] = tasksAlive
		rows["timers_"+count] = timersAlive
	}
	if len(os.Args) == 2 && os.Args[1] == "rows" {
		for name := range rows {
			fmt.Print(name, " ")
		}
		return
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		operations, _ := strconv.Atoi(words[1])
		figures := rows[words[0]](operations)
		fmt.Println(strings.Trim(fmt.Sprint(figures), "[]"))
	}
}

func batches(operations int) int { return (operations + many - 1) / many }

func each(begun time.Time, operations int) []float64 {
	return []float64{float64(time.Since(begun).Nanoseconds()) / float64(operations)}
}

func spawnBatch(batches, size int) []float64 {
	begun := time.Now()
	for batch := 0; batch < batches; batch++ {
		var all sync.WaitGroup
		all.Add(size)
		for task := 0; task < size; task++ {
			go all.Done()
		}
		all.Wait()
	}
	return each(begun, batches*size)
}

func spawnOne(count int) []float64 {
	begun := time.Now()
	for task := 0; task < count; task++ {
		var one sync.WaitGroup
		one.Add(1)
		go one.Done()
		one.Wait()
	}
	return each(begun, count)
}

func yields(tasks, yieldsEach int) []float64 {
	begun := time.Now()
	var all sync.WaitGroup
	all.Add(tasks)
	for task := 0; task < tasks; task++ {
		go func() {
			for done := 0; done < yieldsEach; done++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
	return each(begun, tasks*yieldsEach)
}

func pingPong(rounds int) []float64 {
	begun := time.Now()
	there, here := make(chan uint64, 1), make(chan uint64, 1)
	go func() {
		for value := range there {
			here <- value
		}
	}()
	for round := 0; round < rounds; round++ {
		there <- uint64(round)
		if <-here != uint64(round) {
			panic("another value came back")
		}
	}
	close(there)
	return each(begun, rounds)
}

func queue(capacity, count int) []float64 {
	begun := time.Now()
	items, sum := make(chan uint64, capacity), make(chan uint64)
	go func() {
		total := uint64(0)
		for value := range items {
			total += value
		}
		sum <- total
	}()
	for value := 0; value < count; value++ {
		items <- uint64(value)
	}
	close(items)
	if <-sum != uint64(count)*uint64(count-1)/2 {
		panic("items were lost")
	}
	return each(begun, count)
}

func timerCancel(count int) []float64 {
	begun := time.Now()
	for timer := 0; timer < count; timer++ {
		time.NewTimer(time.Hour).Stop()
	}
	return each(begun, count)
}

func timersAlive(count int) []float64 {
	timers := make([]*time.Timer, count)
	var insert, stop []float64
	for pass := 0; pass < 2; pass++ {
		begun, state := time.Now(), uint64(0x9E3779B97F4A7C15)
		for index := range timers {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			length := time.Second + time.Duration(state%uint64(3599*time.Second))
			timers[index] = time.NewTimer(length)
		}
		insert = each(begun, count)
		begun = time.Now()
		for _, timer := range timers {
			timer.Stop()
		}
		stop = each(begun, count)
	}
	return []float64{insert[0] + stop[0], insert[0], stop[0]}
}

func timersFire(count int) []float64 {
	used := cpuTime()
	late := make([]float64, 0, count)
	var all sync.WaitGroup
	all.Add(count)
	first := time.Now().Add(3 * time.Microsecond * time.Duration(count))
	for task := 0; task < count; task++ {
		due := first.Add(10 * time.Microsecond * time.Duration(task))
		go func() {
			time.Sleep(time.Until(due))
			late = append(late, float64(time.Since(due).Nanoseconds())/1000)
			all.Done()
		}()
	}
	all.Wait()
	return append(percentiles(late), float64(cpuTime()-used)/float64(count))
}

func loneSleep(count int, length time.Duration) []float64 {
	late := make([]float64, 0, count)
	for sleep := 0; sleep < count; sleep++ {
		begun := time.Now()
		time.Sleep(length)
		late = append(late, float64((time.Since(begun)-length).Nanoseconds())/1000)
	}
	return percentiles(late)
}

func idleTasks(count int) []float64 {
	gate := make(chan struct{})
	before := residentBytes()
	all := waitingAt(gate, count)
	resident := residentBytes() - before
	close(gate)
	all.Wait()
	return []float64{math.NaN(), float64(resident) / float64(count), math.NaN()}
}

func tasksAlive(count int) []float64 {
	repeats := 100_000 / count
	if repeats == 0 {
		repeats = 1
	}
	begun := time.Now()
	for repeat := 0; repeat < repeats; repeat++ {
		gate := make(chan struct{})
		all := waitingAt(gate, count)
		close(gate)
		all.Wait()
	}
	return each(begun, count*repeats)
}

// waitingAt starts goroutines that wait for the gate, and returns when all do.
func waitingAt(gate chan struct{}, count int) *sync.WaitGroup {
	var there, all sync.WaitGroup
	there.Add(count)
	all.Add(count)
	for task := 0; task < count; task++ {
		go func() {
			there.Done()
			<-gate
			all.Done()
		}()
	}
	there.Wait()
	return &all
}

func percentiles(samples []float64) []float64 {
	sort.Float64s(samples)
	at := func(share float64) float64 { return samples[int(math.Ceil(share*float64(len(samples))))-1] }
	return []float64{at(0.5), at(0.99)}
}

// cpuTime is the process's, in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
