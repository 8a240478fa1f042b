! The same as halo.c: heat on a plate, a block of the grid for each rank. Here a column is in one piece,
! and a row is the derived type.
program halo
  use mpi
  implicit none
  integer, parameter :: real8 = kind(1d0), n = 63, steps = 40, middle_cell = 32
  real(real8), allocatable :: now(:, :), next(:, :)
  real(real8) :: pi, factor, worst(1), difference(1), middle(1), hottest(1)
  integer :: rank, size, sides(2), at(2), first(2), last(2), up, down, left, right
  integer :: rows, columns, plate, row_type, step, i, j, requests(8), ierror
  logical :: round(2)

  call MPI_Init(ierror)
  call MPI_Comm_size(MPI_COMM_WORLD, size, ierror)
  sides = 0
  round = .false.
  call MPI_Dims_create(size, 2, sides, ierror)
  call MPI_Cart_create(MPI_COMM_WORLD, 2, sides, round, .true., plate, ierror)
  call MPI_Comm_rank(plate, rank, ierror)
  call MPI_Cart_coords(plate, rank, 2, at, ierror)
  call MPI_Cart_shift(plate, 0, 1, up, down, ierror)
  call MPI_Cart_shift(plate, 1, 1, left, right, ierror)
  first = n * at / sides + 1
  last = n * (at + 1) / sides
  rows = last(1) - first(1) + 1
  columns = last(2) - first(2) + 1
  pi = acos(-1d0)
  allocate (now(0:rows + 1, 0:columns + 1), next(0:rows + 1, 0:columns + 1))
  now = 0
  next = 0
  do j = 1, columns
    do i = 1, rows
      now(i, j) = start(first(1) + i - 1, first(2) + j - 1)
    end do
  end do
  call MPI_Type_vector(columns, 1, rows + 2, MPI_DOUBLE_PRECISION, row_type, ierror)
  call MPI_Type_commit(row_type, ierror)

  do step = 1, steps
    call MPI_Irecv(now(0, 1), 1, row_type, up, 0, plate, requests(1), ierror)
    call MPI_Irecv(now(rows + 1, 1), 1, row_type, down, 1, plate, requests(2), ierror)
    call MPI_Irecv(now(1, 0), rows, MPI_DOUBLE_PRECISION, left, 2, plate, requests(3), ierror)
    call MPI_Irecv(now(1, columns + 1), rows, MPI_DOUBLE_PRECISION, right, 3, plate, requests(4), ierror)
    call MPI_Isend(now(rows, 1), 1, row_type, down, 0, plate, requests(5), ierror)
    call MPI_Isend(now(1, 1), 1, row_type, up, 1, plate, requests(6), ierror)
    call MPI_Isend(now(1, columns), rows, MPI_DOUBLE_PRECISION, right, 2, plate, requests(7), ierror)
    call MPI_Isend(now(1, 1), rows, MPI_DOUBLE_PRECISION, left, 3, plate, requests(8), ierror)
    call MPI_Waitall(8, requests, MPI_STATUSES_IGNORE, ierror)
    do j = 1, columns
      do i = 1, rows
        next(i, j) = (now(i, j - 1) + now(i, j + 1) + now(i - 1, j) + now(i + 1, j)) / 4
      end do
    end do
    now(1:rows, 1:columns) = next(1:rows, 1:columns)
  end do

  factor = cos(pi / (n + 1))**steps
  worst = 0
  middle = 0
  do j = 1, columns
    do i = 1, rows
      worst = max(worst, abs(now(i, j) - factor * start(first(1) + i - 1, first(2) + j - 1)))
      if (first(1) + i - 1 == middle_cell .and. first(2) + j - 1 == middle_cell) middle = now(i, j)
    end do
  end do
  call MPI_Allreduce(worst, difference, 1, MPI_DOUBLE_PRECISION, MPI_MAX, plate, ierror)
  call MPI_Reduce(middle, hottest, 1, MPI_DOUBLE_PRECISION, MPI_MAX, 0, plate, ierror)
  if (difference(1) > 1d-12) then
    print *, 'halo: a cell is off by ', difference
    call MPI_Abort(MPI_COMM_WORLD, 1, ierror)
  end if
  if (rank == 0) print '(a, i0, a, i0, a, i0, a, f10.8, a)', 'halo: ', steps, ' steps, ', n, ' x ', n, &
    ' cells, ', hottest(1), ' in the middle'
  call MPI_Type_free(row_type, ierror)
  call MPI_Comm_free(plate, ierror)
  call MPI_Finalize(ierror)
contains
  real(real8) function start(row, column)
    integer, intent(in) :: row, column
    start = sin(row * pi / (n + 1)) * sin(column * pi / (n + 1))
  end function
end program
