! OpenMP in Fortran: parallel, do with its schedules, sections, workshare, tasks, reductions, critical,
! atomic, ordered, threadprivate, locks, barriers; results do not depend on how the threads run.
module data
   implicit none
   integer, save :: own = 0
!$omp threadprivate(own)
end module data

program constructs
   use omp_lib
   use data
   implicit none
   integer, parameter :: items = 20000

   write (0, '(a,i0)') 'cores ', omp_get_max_threads()
   call loops
   call shared
   call tasks
   call rest
contains

   subroutine say(what, good)
      character(len=*), intent(in) :: what
      logical, intent(in) :: good
      print '(a,a,a)', what, ': ', merge('right', 'WRONG', good)
   end subroutine say

   subroutine loops
      integer :: i, j, last
      integer, allocatable :: visits(:)
      integer(8) :: total
      real(8), allocatable :: matrix(:, :)
      real(8) :: most

      allocate (visits(items), source=0)
!$omp parallel
!$omp do schedule(static)
      do i = 1, items
         visits(i) = visits(i) + 1
      end do
!$omp end do
!$omp do schedule(dynamic, 16)
      do i = 1, items
         visits(i) = visits(i) + 1
      end do
!$omp end do nowait
!$omp barrier
!$omp do schedule(guided)
      do i = 1, items
         visits(i) = visits(i) + 1
      end do
!$omp end do
!$omp do schedule(runtime)
      do i = 1, items
         visits(i) = visits(i) + 1
      end do
!$omp end do
!$omp end parallel
      call say('schedules', all(visits == 4))
      total = 0
!$omp parallel do reduction(+:total) lastprivate(last)
      do i = 1, items
         total = total + i
         last = i
      end do
      call say('reduction', total == 200010000_8 .and. last == items)
      allocate (matrix(300, 300))
      most = 0
!$omp parallel do collapse(2) reduction(max:most)
      do j = 1, 300
         do i = 1, 300
            matrix(i, j) = sin(dble(i))*j
            most = max(most, matrix(i, j))
         end do
      end do
      call say('collapse, max', abs(most - maxval(matrix)) < 1d-14)
!$omp parallel workshare
      matrix = matrix*2
      where (matrix < 0) matrix = 0
!$omp end parallel workshare
      call say('workshare', minval(matrix) >= 0 .and. abs(maxval(matrix) - 2*most) < 1d-10)
      last = 0
!$omp parallel do ordered schedule(dynamic)
      do i = 1, 300
!$omp ordered
         if (last == i - 1) last = i
!$omp end ordered
      end do
      call say('ordered', last == 300)
   end subroutine loops

   subroutine shared
      integer :: i, one, other, exact
      integer(omp_lock_kind) :: lock
      logical :: good

      one = 0
      other = 0
      exact = 0
      call omp_init_lock(lock)
!$omp parallel num_threads(4) private(i)
      do i = 1, 500
!$omp critical
         one = one + 1
!$omp end critical
         call omp_set_lock(lock)
         other = other + 1
         call omp_unset_lock(lock)
!$omp atomic
         exact = exact + 1
      end do
!$omp end parallel
      call omp_destroy_lock(lock)
      call say('critical, lock, atomic', one == 2000 .and. other == 2000 .and. exact == 2000)
      call omp_set_dynamic(.false.)
      own = 100
!$omp parallel num_threads(3) copyin(own)
      own = own + omp_get_thread_num()
!$omp end parallel
      good = .true.
!$omp parallel num_threads(3) reduction(.and.:good)
      good = own == 100 + omp_get_thread_num()
!$omp end parallel
      call say('threadprivate', good)
   end subroutine shared

   recursive integer function fibonacci(n) result(value)
      integer, intent(in) :: n
      integer :: one, other

      if (n < 2) then
         value = n
      else if (n < 10) then
         value = fibonacci(n - 1) + fibonacci(n - 2)
      else
!$omp task shared(one)
         one = fibonacci(n - 1)
!$omp end task
!$omp task shared(other)
         other = fibonacci(n - 2)
!$omp end task
!$omp taskwait
         value = one + other
      end if
   end function fibonacci

   subroutine tasks
      integer :: result, i
      integer(8) :: chain, alone

!$omp parallel
!$omp single
      result = fibonacci(20)
!$omp end single
!$omp end parallel
      call say('tasks', result == 6765)
      chain = 1
      alone = 1
!$omp parallel
!$omp single
      do i = 1, 50
!$omp task depend(inout:chain) firstprivate(i)
         chain = mod(chain*5 + i, 1000003_8)
!$omp end task
      end do
!$omp end single
!$omp end parallel
      do i = 1, 50
         alone = mod(alone*5 + i, 1000003_8)
      end do
      call say('depend', chain == alone)
   end subroutine tasks

   subroutine rest
      integer :: parts(4), inner, k, unit
      real(8) :: before
      character(len=20) :: line

      parts = 0
!$omp parallel sections
!$omp section
      parts(1) = 1
!$omp section
      parts(2) = 2
!$omp section
      parts(3) = 3
!$omp section
      parts(4) = 4
!$omp end parallel sections
      call say('sections', sum(parts) == 10)
      call omp_set_max_active_levels(2)
      inner = 0
!$omp parallel num_threads(2)
!$omp parallel num_threads(2)
!$omp atomic
      inner = inner + 1
!$omp end parallel
!$omp end parallel
      call say('nested', inner == 4)
      before = omp_get_wtime()
      call say('clock', omp_get_wtime() >= before)
      ! Output from all threads: lines stay whole, each is there.
      open (newunit=unit, status='scratch')
!$omp parallel do private(line)
      do k = 1, 200
         write (line, '(a,i3.3)') 'line ', k
!$omp critical
         write (unit, '(a)') trim(line)
!$omp end critical
      end do
      rewind (unit)
      inner = 0
      do k = 1, 200
         read (unit, '(5x,i3)') parts(1)
         inner = inner + parts(1)
      end do
      close (unit)
      call say('written by all', inner == 20100)
   end subroutine rest
end program constructs
