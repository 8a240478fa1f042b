! The same as darts.c: pi from darts, with one-sided counters in rank 0's memory.
program darts
  use mpi
  implicit none
  integer, parameter :: long = selected_int_kind(18), batches = 64, each = 2000
  integer(long), parameter :: modulus = 2147483647_long
  ! Of the window: the next batch, the hits.
  integer(long), asynchronous :: counters(2)
  integer(long) :: one(1), batch(1), hits(1), mine(1), thrown(1), wanted, i
  integer(kind=MPI_ADDRESS_KIND) :: bytes, place
  integer :: rank, window, ierror

  call MPI_Init(ierror)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierror)
  counters = 0
  bytes = merge(16, 0, rank == 0)
  call MPI_Win_create(counters, bytes, 8, MPI_INFO_NULL, MPI_COMM_WORLD, window, ierror)
  one = 1
  mine = 0
  call MPI_Win_lock_all(0, window, ierror)
  do
    place = 0
    call MPI_Fetch_and_op(one, batch, MPI_INTEGER8, 0, place, MPI_SUM, window, ierror)
    call MPI_Win_flush(0, window, ierror)
    if (batch(1) >= batches) exit
    hits(1) = throw(batch(1))
    place = 1
    call MPI_Accumulate(hits, 1, MPI_INTEGER8, 0, place, 1, MPI_INTEGER8, MPI_SUM, window, ierror)
    call MPI_Win_flush_local(0, window, ierror)
    mine = mine + 1
  end do
  call MPI_Win_unlock_all(window, ierror)
  call MPI_Reduce(mine, thrown, 1, MPI_INTEGER8, MPI_SUM, 0, MPI_COMM_WORLD, ierror)
  if (rank == 0) then
    wanted = 0
    do i = 0, batches - 1
      wanted = wanted + throw(i)
    end do
    call MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window, ierror)
    hits(1) = counters(2)
    call MPI_Win_unlock(0, window, ierror)
    if (hits(1) /= wanted .or. thrown(1) /= batches) then
      print *, 'darts: ', hits, ' hits in ', thrown, ' batches, not ', wanted
      call MPI_Abort(MPI_COMM_WORLD, 1, ierror)
    end if
    print '(a, i0, a, i0, a, f7.5)', 'darts: ', hits(1), ' of ', batches * each, ', pi is about ', &
      4d0 * hits(1) / (batches * each)
  end if
  call MPI_Win_free(window, ierror)
  call MPI_Finalize(ierror)
contains
  integer(long) function throw(number)
    integer(long), intent(in) :: number
    integer(long) :: seed
    double precision :: x, y
    integer :: dart
    seed = number * 7919 + 1
    throw = 0
    do dart = 1, each
      seed = mod(seed * 48271, modulus)
      x = dble(seed) / dble(modulus)
      seed = mod(seed * 48271, modulus)
      y = dble(seed) / dble(modulus)
      if (x * x + y * y < 1) throw = throw + 1
    end do
  end function
end program
